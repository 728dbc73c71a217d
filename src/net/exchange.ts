import { isIPv4 } from 'node:net';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { type Dispatcher, errors } from 'undici';
import type { Target } from './guard/admit.ts';
import { blocked, failed, OutboundError } from './guard/reasons.ts';
import type { Message } from './guard/redirect.ts';
import type { Pools } from './pools.ts';

/** Addresses tried for one hop: enough for one dead family, few enough for the time limit. */
const MAX_ATTEMPTS = 3;

export interface ExchangeContext {
  readonly signal: AbortSignal;
  /** Called before the first byte is written. */
  readonly onSending: (() => void) | undefined;
}

/**
 * Sends one message to one of the target's addresses and waits for the response's head. The next address is tried only
 * when no connection came about, so nothing is ever sent twice.
 * @throws OutboundError; the signal's reason when it aborts.
 */
export async function exchange(
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
export function outboundError(error: unknown): unknown {
  if (error instanceof OutboundError) return error;
  if (error instanceof errors.HTTPParserError) return failed('response-malformed');
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return error;
  if (late.has(code)) return new OutboundError('ERR_OUTBOUND_TIMEOUT', 'timeout');
  if (code === 'UND_ERR_INVALID_ARG') return blocked('request-malformed');
  return failed(malformed.has(code) ? 'response-malformed' : 'connection-lost');
}

/** What we ask for: codings whose output is counted while it is made. */
export const ACCEPT_ENCODING = 'gzip, br';

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
export async function readBody(body: Readable, encoding: string, maxBytes: number): Promise<Uint8Array> {
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
export const discard = (body: Readable): void => void body.on('error', () => undefined).destroy();

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
