import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { failed, OutboundError } from './guard/reasons.ts';

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
