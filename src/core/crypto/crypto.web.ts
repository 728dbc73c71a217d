import { gcm } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Crypto } from './crypto.ts';
import { toBase64Url, toHex, toUtf8 } from './encoding.ts';

type KeyedHmac = ReturnType<typeof hmac.create>;

/** The state of HMAC once it has read the key, which is half of the work for a short message. A key is not changed. */
const keyed = new WeakMap<Uint8Array, KeyedHmac>();

function hmacSha256(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Uint8Array {
  let state = keyed.get(key);
  if (state === undefined) {
    state = hmac.create(sha256, key);
    keyed.set(key, state);
  }
  const digest = state.clone();
  for (const part of parts) digest.update(typeof part === 'string' ? toUtf8(part) : part);
  return digest.digest();
}

/** Longest text that `equalText` compares, as in the driver for Node. */
const LONGEST_TEXT = 128;

/** The driver for runtimes with web standards alone. WebCrypto cannot be it: its operations are asynchronous. */
export const webCrypto: Crypto = {
  hmacSha256,
  hmacHex: (key, ...parts) => toHex(hmacSha256(key, ...parts)),
  hmacText: (key, text) => toBase64Url(hmacSha256(key, text)),
  sha256Hex: (data) => toHex(sha256(typeof data === 'string' ? toUtf8(data) : data)),
  equal(a, b) {
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let at = 0; at < a.length; at += 1) difference |= (a[at] as number) ^ (b[at] as number);
    return difference === 0;
  },
  equalText(a, b) {
    if (a.length !== b.length || a.length > LONGEST_TEXT) return false;
    let difference = 0;
    for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
    return difference === 0;
  },
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  encrypt: (key, nonce, plaintext, associated) => gcm(key, nonce, associated).encrypt(plaintext),
  decrypt(key, nonce, sealed, associated) {
    try {
      return gcm(key, nonce, associated).decrypt(sealed);
    } catch {
      return null;
    }
  },
};
