import type { Dispatcher } from 'undici';
import { withinTime } from '../core/linked-signal.ts';
import { ACCEPT_ENCODING, discard, type ExchangeContext, exchange, outboundError, readBody } from './exchange.ts';
import { admit, type Hop, type Target } from './guard/admit.ts';
import type { HostPort, UrlPolicy } from './guard/check-url.ts';
import { blocked, OutboundError } from './guard/reasons.ts';
import { afterRedirect, isRedirect, type Message, type Method } from './guard/redirect.ts';
import type { Resolve } from './guard/resolve.ts';
import { type Connector, createPools } from './pools.ts';

export interface GuardedFetchOptions {
  readonly resolve: Resolve;
  /**
   * Hosts that may be private, exactly as their configured URL names them (`allowEntry`). For the one client that
   * serves that configuration; a client for tools has none.
   */
  readonly allow?: readonly HostPort[];
  /** Which other hosts may be asked, redirects included. Default: every public one. */
  readonly isListed?: (host: string) => boolean;
  /** Ports of hosts that are not on the allow-list. Default 80 and 443. */
  readonly ports?: readonly number[];
  /** Cap of a response's body, on the wire and decoded. Default 2 MiB. */
  readonly maxBytes?: number;
  /** For everything: lookups, redirects, the last byte of the body. Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 5. */
  readonly maxRedirects?: number;
  /** Certificates (PEM) trusted beside the usual roots. */
  readonly ca?: readonly string[];
  /** The proxy that public hosts are reached through (http or https, with its credentials). Default: none. */
  readonly proxy?: string;
  /** The step that opens sockets, for tests that count them; gets judged addresses only. */
  readonly connector?: Connector;
}

export interface GuardedInit {
  readonly method?: Method;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /**
   * Called before the first byte of a message is written, once per hop. Not called for what was refused, could not be
   * resolved or connected to, or was still waiting for a connection when its time was over: nothing of it was sent.
   */
  readonly onSending?: () => void;
  /** Default: `follow` for GET and HEAD, `manual` (the 3xx is the response) for the rest. */
  readonly redirect?: 'follow' | 'manual';
}

export interface GuardedResponse {
  readonly status: number;
  /** As received; `content-encoding` is already undone. */
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** Of the last hop. */
  readonly url: string;
  text(): string;
  /** @throws SyntaxError */
  json(): unknown;
}

export interface GuardedFetch {
  /**
   * Fetches a URL a stranger may have written: http(s) to public addresses only, checked again at every redirect.
   * No proxy but the one in `GuardedFetchOptions` is used, whatever the environment says.
   * @throws OutboundError ERR_OUTBOUND_BLOCKED, _FAILED, _TIMEOUT or _TOO_LARGE; the signal's reason when it aborts.
   */
  (url: string, init?: GuardedInit): Promise<GuardedResponse>;
  /** Waits for requests under way, `graceMs` at most, and closes the sockets. Requests after that are refused. */
  close(graceMs?: number): Promise<void>;
}

/** Reading a short redirect page keeps its socket usable; a longer one costs the socket. */
const REDIRECT_BODY_BYTES = 16 * 1024;
const CONNECT_TIMEOUT_MS = 3_000;

/** A client with sockets of its own: one per purpose, so that an allow-list or `ca` serves only what it was written for. */
export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const { resolve, timeoutMs = 10_000, maxBytes = 2 * 1024 * 1024, maxRedirects = 5 } = options;
  const { ports = [80, 443], allow = [] } = options;
  const connectTimeoutMs = Math.min(CONNECT_TIMEOUT_MS, timeoutMs);
  const pools = createPools({ ...options, connectTimeoutMs, idleTimeoutMs: timeoutMs });
  const configured: UrlPolicy = {
    ports,
    allow,
    isProxied: options.proxy !== undefined,
    ...(options.isListed && { isListed: options.isListed }),
  };
  const follow = async (
    text: string,
    first: Message,
    mayFollow: boolean,
    context: ExchangeContext,
  ): Promise<GuardedResponse> => {
    const { signal } = context;
    let hop: Hop = { text };
    let message = first;
    let policy = configured;
    let lastStatus = 0;
    for (let hops = 0; ; hops++) {
      const admission = await admit(hop, policy, resolve, signal);
      if (!admission.ok) throw blocked(hops === 0 ? admission.reason : `redirect-${admission.reason}`);
      const { target } = admission;
      if (hop.base !== undefined) message = afterRedirect(message, lastStatus, hop.base, target.url);
      // A lookup that ignored the signal may come back late; no socket is opened for it any more.
      signal.throwIfAborted();
      const response = await exchange(pools, target, message, context);
      const location = mayFollow && isRedirect(response.statusCode) ? locationOf(response) : undefined;
      if (location === undefined) return read(response, target, message, maxBytes);
      await response.body.dump({ limit: REDIRECT_BODY_BYTES, signal });
      if (hops === maxRedirects) throw blocked('redirect-too-many');
      hop = { text: location, base: target.url };
      lastStatus = response.statusCode;
      // A stranger's server may not send us home, not even to what is configured.
      if (!target.isConfigured) policy = { ...policy, allow: [] };
    }
  };

  const fetch = async (url: string, init: GuardedInit = {}): Promise<GuardedResponse> => {
    const message = firstMessage(init);
    const mayFollow = init.redirect === undefined ? isSafe(message.method) : init.redirect === 'follow';
    const work = async (signal: AbortSignal): Promise<GuardedResponse> => {
      try {
        return await follow(url, message, mayFollow, { signal, onSending: init.onSending });
      } catch (error) {
        signal.throwIfAborted();
        throw outboundError(error);
      }
    };
    return withinTime(timeoutMs, init.signal, work, timedOut);
  };
  return Object.assign(fetch, { close: (graceMs?: number) => pools.close(graceMs) });
}

const timedOut = (): OutboundError => new OutboundError('ERR_OUTBOUND_TIMEOUT', 'timeout');

const isSafe = (method: Method): boolean => method === 'GET' || method === 'HEAD';

function firstMessage({ method = 'GET', headers = {}, body }: GuardedInit): Message {
  if (body !== undefined && isSafe(method)) throw blocked('request-malformed');
  return { method, headers: requestHeaders(headers), body };
}

/** What the client itself says, so that message framing and the pinned host cannot be argued with. */
const reserved = new Set([
  'host',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'accept-encoding',
  'proxy-authorization',
  'proxy-connection',
]);

/**
 * Lower-cases what the caller wants to send and adds what every request carries. Characters that would end a header are
 * refused by undici, before it opens a socket.
 * @throws OutboundError `request-malformed`: a reserved name, or a name twice.
 */
function requestHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { accept: '*/*', 'user-agent': 'sallyport' };
  const seen = new Set<string>();
  for (const [written, value] of Object.entries(given)) {
    const name = written.toLowerCase();
    if (reserved.has(name) || seen.has(name)) throw blocked('request-malformed');
    seen.add(name);
    headers[name] = value;
  }
  return { ...headers, 'accept-encoding': ACCEPT_ENCODING };
}

/** Header bytes arrive as Latin-1; a `Location` with raw UTF-8 in its path is common. */
function locationOf({ headers: { location } }: Dispatcher.ResponseData): string | undefined {
  if (location === undefined) return undefined;
  if (typeof location !== 'string') throw blocked('redirect-url-malformed');
  return Buffer.from(location, 'latin1').toString('utf8');
}

async function read(
  response: Dispatcher.ResponseData,
  target: Target,
  message: Message,
  maxBytes: number,
): Promise<GuardedResponse> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  if (message.method !== 'HEAD' && Number(headers.get('content-length') ?? 0) > maxBytes) {
    discard(response.body);
    throw new OutboundError('ERR_OUTBOUND_TOO_LARGE', 'response-too-large');
  }
  const encoding = message.method === 'HEAD' ? '' : (headers.get('content-encoding') ?? '');
  const body = await readBody(response.body, encoding, maxBytes);
  const text = (): string => new TextDecoder().decode(body);
  const json = (): unknown => JSON.parse(text());
  return { status: response.statusCode, headers, body, url: target.url.href, text, json };
}
