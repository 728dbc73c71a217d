import { isIPv4 } from 'node:net';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { type Dispatcher, errors } from 'undici';
import { withinTime } from '../core/linked-signal.ts';
import { admit, type Hop, type Target } from './guard/admit.ts';
import type { HostPort, UrlPolicy } from './guard/check-url.ts';
import { blocked, failed, OutboundError } from './guard/reasons.ts';
import { afterRedirect, isRedirect, type Message, type Method } from './guard/redirect.ts';
import type { Resolve } from './guard/resolve.ts';
import { type Connector, createPools, type Pools } from './pools.ts';

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

/** Addresses tried for one hop: enough for one dead family, few enough for the time limit. */
const MAX_ATTEMPTS = 3;

interface ExchangeContext {
  readonly signal: AbortSignal;
  /** Called before the first byte is written. */
  readonly onSending: (() => void) | undefined;
}

/**
 * Sends one message to one of the target's addresses and waits for the response's head. The next address is tried only
 * when no connection came about, so nothing is ever sent twice.
 * @throws OutboundError; the signal's reason when it aborts.
 */
async function exchange(
  pools: Pools,
  { url, addresses }: Target,
  message: Message,
  { signal, onSending }: ExchangeContext,
): Promise<Dispatcher.ResponseData> {
  const known = addresses.filter((address) => pools.has(url.origin, address));
  const attempts = [...new Set([...known, ...interleaved(addresses)])].slice(0, MAX_ATTEMPTS);
  for (const [index, address] of attempts.entries()) {
    try {
      const pool = pools.get(url.origin, address);
      const dispatcher = onSending === undefined ? pool : pool.compose(announcing(onSending));
      return await dispatcher.request({
        path: url.pathname + url.search,
        method: message.method,
        headers: message.headers,
        body: message.body ?? null,
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      const reason = outboundError(error);
      if (!(reason instanceof OutboundError && reason.reason === 'connect-failed')) throw reason;
      pools.drop(url.origin, address);
      if (index === attempts.length - 1) throw reason;
    }
  }
  throw failed('connect-failed');
}

/** undici calls `onRequestStart` when a request has a socket, before it writes to it. */
const announcing =
  (onSending: () => void): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        onSending();
        handler.onRequestStart?.(controller, context);
      },
      onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
      onResponseStart: (...given) => handler.onResponseStart?.(...given),
      onResponseData: (...given) => handler.onResponseData?.(...given),
      onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
      onResponseError: (...given) => handler.onResponseError?.(...given),
    });

/** IPv4 and IPv6 in turn (RFC 8305, 4), IPv4 first: a host without IPv6 is more common than one without IPv4. */
function interleaved(addresses: readonly string[]): readonly string[] {
  const ipv4 = addresses.filter((address) => isIPv4(address));
  const ipv6 = addresses.filter((address) => !isIPv4(address));
  const longest = Math.max(ipv4.length, ipv6.length);
  return Array.from({ length: longest }, (_, index) => [ipv4[index], ipv6[index]])
    .flat()
    .filter((address) => address !== undefined);
}

const malformed = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);
const late = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/**
 * What undici or a socket threw, in our words and without theirs, which quote addresses and bytes. An error without a
 * code is a mistake of this program and stays what it is.
 */
function outboundError(error: unknown): unknown {
  if (error instanceof OutboundError) return error;
  if (error instanceof errors.HTTPParserError) return failed('response-malformed');
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return error;
  if (late.has(code)) return new OutboundError('ERR_OUTBOUND_TIMEOUT', 'timeout');
  if (code === 'UND_ERR_INVALID_ARG') return blocked('request-malformed');
  return failed(malformed.has(code) ? 'response-malformed' : 'connection-lost');
}

/** What we ask for: codings whose output is counted while it is made. */
const ACCEPT_ENCODING = 'gzip, br';

/** RFC 9110, 8.4.1, and `br` of RFC 7932. One coding at most: a stack of them is a bomb's way to a better ratio. */
const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * Reads a body to its end, decoded. The cap holds twice, for the bytes on the wire and for what they unfold to, and is
 * checked at every chunk: what lies beyond it is neither kept nor decoded. Destroys the body when it throws.
 * @throws OutboundError ERR_OUTBOUND_TOO_LARGE, or ERR_OUTBOUND_FAILED `encoding-unsupported`, `decoding-failed`.
 */
async function readBody(body: Readable, encoding: string, maxBytes: number): Promise<Uint8Array> {
  const coding = encoding.trim().toLowerCase();
  const wire = capped(maxBytes);
  const chunks: Uint8Array[] = [];
  const collect = async (source: Chunks): Promise<void> => {
    for await (const chunk of source) chunks.push(chunk);
  };
  if (coding === '' || coding === 'identity') {
    await pipeline(body, wire.pass, collect);
    return Buffer.concat(chunks);
  }
  const decoder = Object.hasOwn(decoders, coding) ? decoders[coding] : undefined;
  if (decoder === undefined) {
    discard(body);
    throw failed('encoding-unsupported');
  }
  await pipeline(body, wire.pass, decoder(), capped(maxBytes).pass, collect).catch((error: unknown) => {
    if (!isZlib(error)) throw error;
    // Some servers announce a coding for a body they then leave out.
    if (wire.bytes() > 0) throw failed('decoding-failed');
  });
  return Buffer.concat(chunks);
}

/** Closes a body nobody will read, and its socket with it. */
const discard = (body: Readable): void => void body.on('error', () => undefined).destroy();

type Chunks = AsyncIterable<Uint8Array>;

function capped(maxBytes: number): { pass: (source: Chunks) => Chunks; bytes: () => number } {
  let bytes = 0;
  async function* pass(source: Chunks): Chunks {
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw new OutboundError('ERR_OUTBOUND_TOO_LARGE', 'response-too-large');
      yield chunk;
    }
  }
  return { pass, bytes: () => bytes };
}

/** The names of zlib's errors (`Z_DATA_ERROR`) and of its Brotli's (`ERR__ERROR_FORMAT_…`, `ERR_BROTLI_…`). */
const isZlib = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(Z_|ERR__ERROR_|ERR_BROTLI_)/.test(String(error.code));
