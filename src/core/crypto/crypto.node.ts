import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Crypto } from './crypto.ts';
import { hmac } from './hmac.node.ts';

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
