import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hash,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { Crypto } from './crypto.ts';

/** Length of an AES-GCM tag in bytes (NIST SP 800-38D, 5.2.1.2: the full 128 bits). */
const TAG_BYTES = 16;

/** Drawn in one call and handed out in pieces: a call for 16 bytes costs 10 µs on the path of every delivery. */
const POOL_BYTES = 8192;
let pool = randomBytes(POOL_BYTES);
let taken = 0;

/** Never the same bytes twice: a used-up pool is replaced, not refilled. */
function takeRandom(length: number): Uint8Array {
  if (length > POOL_BYTES) return randomBytes(length);
  if (taken + length > POOL_BYTES) {
    pool = randomBytes(POOL_BYTES);
    taken = 0;
  }
  taken += length;
  return pool.subarray(taken - length, taken);
}

/** Texts are compared in place: two new buffers cost more than the comparison. */
const LONGEST_TEXT = 128;
const left = Buffer.alloc(LONGEST_TEXT);
const right = Buffer.alloc(LONGEST_TEXT);

/** `node:crypto` driver. The Workers runtime offers the same module, so the edge uses it too. */
export const nodeCrypto: Crypto = {
  hmacSha256: (key, ...parts) => Buffer.from(hmac(key, parts, 'binary'), 'latin1'),
  hmacHex: (key, ...parts) => hmac(key, parts, 'hex'),
  hmacText: (key, text) => hmac(key, [text], 'base64url'),
  sha256Hex: (data) => hash('sha256', data, 'hex'),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  equalText(a, b) {
    if (a.length !== b.length || a.length > LONGEST_TEXT) return false;
    left.fill(0).write(a, 'latin1');
    right.fill(0).write(b, 'latin1');
    return timingSafeEqual(left, right);
  },
  random: takeRandom,
  encrypt(key, nonce, plaintext, associated) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  },
  decrypt(key, nonce, sealed, associated) {
    if (sealed.length < TAG_BYTES) return null;
    const tagAt = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(associated).setAuthTag(sealed.subarray(tagAt));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, tagAt)), decipher.final()]);
    } catch {
      return null;
    }
  },
};

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
function hmac(
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
