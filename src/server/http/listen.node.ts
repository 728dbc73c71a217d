import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerOptions,
  ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { getRequestListener, RequestError } from '@hono/node-server';
import { SallyportError } from '../../core/errors.ts';
import type { Connections } from '../limits/connections.node.ts';
import { type App, isPlainTarget } from './context.ts';
import { answerHeaders, secureAnswerHeaders } from './headers.ts';
import { problem } from './respond.ts';
import type { Tls } from './tls.node.ts';

/** Milliseconds for a request's headers. Slack gives up on the whole exchange after 3 s. */
const HEADERS_MS = 10_000;
/** Longer than the 60 s idle time of common load balancers, so that it is they who close idle connections. */
const KEEP_ALIVE_MS = 65_000;
/**
 * Connections that wait for this process to take them, a second's worth of a client that opens many. Node's 511 are used up
 * within milliseconds; the system then drops the senders' handshakes, which they repeat after 1 s and again after 3 s. The
 * system may bound it further (Linux: `net.core.somaxconn`, 4096).
 */
const BACKLOG = 4096;
/** How often Node looks for connections over their time, in ms. */
const CHECK_MS = 1_000;

export interface Listening {
  /** The port the system gave when 0 was asked for. */
  readonly port: number;
  /** Stops listening, lets answers in flight finish, and cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Serves an app with the headers of every answer, on paths matched as they were sent. */
export async function listen(
  app: App,
  options: {
    readonly host: string;
    readonly port: number;
    /** The app's own limit for a body, in ms; Node's is the backstop behind it. */
    readonly bodyMs: number;
    /** Whether an address is a proxy whose `X-Forwarded-Proto` is believed. */
    readonly isTrusted: (address: string) => boolean;
    readonly newRequestId: () => string;
    /** Absent: connections are not bounded. */
    readonly connections?: Connections;
    /** Speaks HTTPS with this certificate. */
    readonly tls?: Tls | null;
  },
): Promise<Listening> {
  const { host, port, bodyMs, isTrusted, newRequestId, connections, tls = null } = options;
  const answer = getRequestListener(app.fetch, { errorHandler: (error) => refused(error, newRequestId()) });
  let isClosing = false;
  /** Connections that began with an earlier certificate. They end with the next answer, and what was proven on them too. */
  const outdated = new WeakSet<Socket>();
  const limits = {
    headersTimeout: HEADERS_MS,
    requestTimeout: HEADERS_MS + bodyMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
    ServerResponse: answersWithHeaders(createIsSecure(isTrusted)),
  };
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    connections?.requested(incoming, outgoing);
    if (isClosing || outdated.has(incoming.socket)) outgoing.setHeader('connection', 'close');
    if (!isPlainTarget(incoming.url ?? '')) incoming.url = NO_ROUTE;
    void answer(incoming, outgoing);
  };
  const server = tls === null ? createServer(limits, serve) : createTlsServer(limits, serve, tls, outdated);
  server.on('clientError', answerClientError);
  if (connections !== undefined) server.on('connection', connections.opened);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs) {
      isClosing = true;
      return closeServer(server, graceMs);
    },
  };
}

/** Milliseconds for the handshake of TLS; Node's own limit is two minutes. */
const HANDSHAKE_MS = 10_000;

/**
 * A server that takes new connections with the newest certificate. Clients are asked for a certificate where there are
 * authorities to check it with, and let in without one: senders of deliveries have none, so each route decides.
 */
function createTlsServer(limits: ServerOptions, serve: RequestListener, tls: Tls, outdated: WeakSet<Socket>): Server {
  const options = { requestCert: tls.asksClients, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS };
  const server = createHttpsServer({ ...limits, ...options, ...tls.current() }, serve);
  const open = new Set<Socket>();
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  tls.onChange((identity) => {
    server.setSecureContext(identity);
    for (const socket of open) outdated.add(socket);
    server.closeIdleConnections();
  });
  return server;
}

/** A path that no app serves: what is asked for under another spelling is as unknown as any other path. */
const NO_ROUTE = '/';

/** What the listener itself refuses: no route has seen the request. */
function refused(error: unknown, requestId: string): Response {
  const isMalformed = error instanceof RequestError;
  return problem(isMalformed ? new SallyportError('ERR_INVALID_REQUEST', '') : error, requestId);
}

/** How long connections stay open for requests that are on their way when the end begins, in ms. */
const LINGER_MS = 500;
/** How often idle connections are looked for after that, in ms. */
const LOOK_MS = 50;

/**
 * Stops listening at once, lets answers in flight finish, and cuts what is left after `graceMs`. A connection that is idle
 * now may have a request on its way, so it stays open a moment longer for that to be answered.
 */
function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const lingerUntil = performance.now() + Math.min(LINGER_MS, graceMs / 2);
    const idle = setInterval(() => {
      if (performance.now() > lingerUntil) server.closeIdleConnections();
    }, LOOK_MS);
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    // http.Server's own close resets idle connections at once.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle);
      clearTimeout(cut);
      resolve();
    });
  });
}

type Head = OutgoingHttpHeaders | OutgoingHttpHeader[];

/**
 * The class of a server's responses: whatever writes one, a route, the router or Node itself (`Expect`, a missing `Host`),
 * the headers of every answer are in it. `isSecure` says whether a request came over HTTPS.
 */
function answersWithHeaders(isSecure: (request: IncomingMessage) => boolean): typeof ServerResponse {
  return class Answer<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
    override writeHead(status: number, reason?: string | Head, given?: Head): this {
      const [text, head] = typeof reason === 'string' ? [reason, given] : [undefined, reason];
      const ours = isSecure(this.req) ? secureAnswerHeaders : answerHeaders;
      // Spreading both takes seven times as long: 8 µs a response.
      const headers = Object.assign({}, Array.isArray(head) ? inPairs(head) : head, ours);
      if (isBodyOpen(this.req)) headers.connection = 'close';
      return text === undefined ? super.writeHead(status, headers) : super.writeHead(status, text, headers);
    }
  };
}

/**
 * Whether the rest of a body is still to come. It is not read to its end, so the connection ends after the answer, and the
 * answer has to say so (RFC 9112, 9.6): a proxy would send the next request, of another sender, into it.
 */
const isBodyOpen = ({ complete, headers }: IncomingMessage): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);

/** Node writes heads of its own as a list of names and values in turn. */
function inPairs(list: readonly OutgoingHttpHeader[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (let at = 0; at + 1 < list.length; at += 2) headers[String(list[at])] = list[at + 1];
  return headers;
}

/** What Node answers by itself to bytes that are no request, and to a request that comes too slowly; otherwise 400. */
const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Connections over their time that are answered in one turn of the event loop; each takes about 40 µs. */
const LATE_A_TURN = 64;

let late: (() => void)[] = [];

/**
 * Answers what Node's parser refuses as Node would, with the headers of every answer, and ends the connection. Node finds all
 * connections that are over their time at once: they are ended a few in a turn, so that what was sent meanwhile need not
 * wait until thousands of them have ended.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') endWithAnswer(error, socket);
  else if (late.push(() => endWithAnswer(error, socket)) === 1) setImmediate(endLate);
}

function endLate(): void {
  const turn = late.slice(0, LATE_A_TURN);
  late = late.slice(LATE_A_TURN);
  for (const end of turn) end();
  if (late.length > 0) setImmediate(endLate);
}

function endWithAnswer(error: NodeJS.ErrnoException, socket: Duplex): void {
  // As in Node's own handler: a response of which the head has left must not be followed by another in its body.
  const current: unknown = Reflect.get(socket, '_httpMessage');
  const isUnderWay = current instanceof ServerResponse && current.headersSent;
  if (!socket.writable || isUnderWay) {
    socket.destroy(error);
    return;
  }
  const status = statuses[error.code ?? ''] ?? 400;
  const head = Object.entries({ connection: 'close', 'content-length': '0', ...answerHeaders });
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...head.map(([name, value]) => `${name}: ${value}`)];
  socket.end(`${lines.join('\r\n')}\r\n\r\n`, () => socket.destroy(error));
}

/** A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

/** Whether a request came over our own TLS, or a trusted proxy says that it came to it over HTTPS. */
const createIsSecure =
  (isTrusted: (address: string) => boolean) =>
  ({ socket, headers }: IncomingMessage): boolean => {
    if (socket instanceof TLSSocket) return true;
    const forwarded = headers['x-forwarded-proto'];
    if (typeof forwarded !== 'string' || !isTrusted(unmapped(socket.remoteAddress ?? ''))) return false;
    // Only the last of several was written by the peer itself.
    return forwarded.slice(forwarded.lastIndexOf(',') + 1).trim() === 'https';
  };
