import { createHash, createHmac, hash } from 'node:crypto';

/** Bytes of a block of SHA-256 (FIPS 180-4, 1) and of its digest. */
const BLOCK = 64;
const DIGEST = 32;

/** What the key of HMAC begins the inner and the outer message with (RFC 2104, 2). */
interface Pads {
  readonly inner: Uint8Array;
  /** The outer message: the pad, then room for the inner digest. */
  readonly outer: Buffer;
}

const padsOf = new WeakMap<Uint8Array, Pads>();

function prepare(key: Uint8Array): Pads {
  const short = key.length > BLOCK ? createHash('sha256').update(key).digest() : key;
  const inner = new Uint8Array(BLOCK).fill(0x36);
  const outer = Buffer.alloc(BLOCK + DIGEST, 0x5c);
  for (const [i, byte] of short.entries()) {
    inner[i] = 0x36 ^ byte;
    outer[i] = 0x5c ^ byte;
  }
  const pads = { inner, outer };
  padsOf.set(key, pads);
  return pads;
}

/** Longest message put together in one piece; longer ones are digested piece by piece. */
const LONGEST = 64 * 1024;
const message = Buffer.alloc(BLOCK + LONGEST);

/**
 * HMAC-SHA256 (RFC 2104) as two one-shot digests: `createHmac` makes an object outside the heap for each call, which the
 * collector has to find again, and a delivery takes four. A key must not be changed once it was used.
 */
export function hmac(
  key: Uint8Array,
  parts: readonly (Uint8Array | string)[],
  encoding: 'binary' | 'hex' | 'base64url',
): string {
  const { inner, outer } = padsOf.get(key) ?? prepare(key);
  message.set(inner, 0);
  let length = BLOCK;
  for (const part of parts) {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    const most = typeof part === 'string' ? 3 * part.length : part.length;
    if (length + most > message.length) return streamed(key, parts, encoding);
    if (typeof part === 'string') length += message.write(part, length, 'utf8');
    else {
      message.set(part, length);
      length += part.length;
    }
  }
  outer.write(hash('sha256', message.subarray(0, length), 'binary'), BLOCK, 'latin1');
  return hash('sha256', outer, encoding);
}

function streamed(
  key: Uint8Array,
  parts: readonly (Uint8Array | string)[],
  encoding: 'binary' | 'hex' | 'base64url',
): string {
  const digest = createHmac('sha256', key);
  for (const part of parts) digest.update(part);
  return digest.digest(encoding);
}
