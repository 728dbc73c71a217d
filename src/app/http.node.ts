import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import { Hono } from 'hono';
import { SallyportError } from '../core/errors.ts';
import { mountOps } from '../server/health/routes.ts';
import { answerClientError, answersWithHeaders } from '../server/http/answer.node.ts';
import { type App, type AppContext, unknownRoute } from '../server/http/context.ts';
import { createIsSecure, createTrust } from '../server/http/forwarded.node.ts';
import { isPlainTarget } from '../server/http/raw-path.ts';
import { problem } from '../server/http/respond.ts';
import type { Tls } from '../server/http/tls.node.ts';
import type { Connections } from '../server/limits/connections.node.ts';
import { createPeers } from '../server/limits/peers.ts';
import { openApiGuard, openTokenRefused } from './api-tokens.ts';
import type { Runtime } from './runtime.node.ts';

/** Milliseconds for a request's headers. Slack gives up on the whole exchange after 3 s. */
const HEADERS_MS = 10_000;
/** Longer than the 60 s idle time of common load balancers, so that it is they who close idle connections. */
const KEEP_ALIVE_MS = 65_000;
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
    server.listen(port, host, () => {
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

/** Unique over processes by their random prefix, and cheap: a counter instead of randomness for each request. */
export function createRequestIds(seed: Uint8Array): () => string {
  const prefix = Buffer.from(seed).toString('hex');
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

/** Next to the ingress's own 8787. */
const DEFAULT_PORT = 8788;
/** Health routes take no bodies. */
const NO_BODY_MS = 1_000;

/**
 * Health and metrics of a worker process: on `SALLYPORT_WORKER_PORT`, else `PORT` where it was given, else 8788. A port
 * that is taken (the ingress beside it) costs the worker its health page, not its work.
 */
export async function startWorkerOps(runtime: Runtime, isPortGiven: boolean): Promise<Listening | null> {
  const { config, ready, metrics, crypto, log, tls } = runtime;
  const app: App = new Hono();
  const isTrusted = createTrust(config.server.trustedProxies ?? []);
  const peers = createPeers(isTrusted, (peer) =>
    log.warn({ peer, setting: 'SALLYPORT_TRUSTED_PROXIES' }, 'proxy.untrusted'),
  );
  const sourceOf = (c: AppContext): string => {
    const { socket } = (c.env as { incoming: IncomingMessage }).incoming;
    return peers.sourceOf(socket.remoteAddress ?? '', c.req.header('x-forwarded-for'));
  };
  const guard = openApiGuard(runtime, peers.isShared);
  const tokenRefused = openTokenRefused(runtime, guard);
  mountOps({ ready, metrics, metricsToken: config.metricsToken, crypto, tokenRefused, sourceOf, guard })(app);
  const newRequestId = createRequestIds(crypto.random(6));
  app.notFound(() => unknownRoute(newRequestId()));
  app.onError((error) => problem(error, newRequestId()));
  const port = config.server.workerPort ?? (isPortGiven ? config.server.port : DEFAULT_PORT);
  try {
    const host = config.server.host ?? '0.0.0.0';
    return await listen(app, { host, port, bodyMs: NO_BODY_MS, isTrusted, newRequestId, tls });
  } catch (error) {
    log.warn({ port, setting: 'SALLYPORT_WORKER_PORT', error }, 'worker.port-taken');
    return null;
  }
}
