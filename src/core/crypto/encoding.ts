import { trimEndOf } from '../text/cap.ts';

/** Byte encodings that every runtime has, so that no portable file needs Node's Buffer. */

const utf8 = new TextEncoder();

export const toUtf8 = (text: string): Uint8Array => utf8.encode(text);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** base64url without padding (RFC 4648, section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Six bits of each character of base64 and of base64url, by UTF-16 code unit; -1 for any other. Not to be written to. */
export const SEXTETS = new Int8Array(0x10000).fill(-1);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].forEach((char, value) => {
  SEXTETS[char.charCodeAt(0)] = value;
});
SEXTETS['-'.charCodeAt(0)] = 62;
SEXTETS['_'.charCodeAt(0)] = 63;

/** Bytes of base64 or base64url text, padded or not; null when it is neither. By table: `atob` knows one of the two. */
export function fromBase64(text: string): Uint8Array | null {
  const length = trimEndOf(text, '=').length;
  if (length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let held = 0;
  let bits = 0;
  let to = 0;
  for (let at = 0; at < length; at += 1) {
    const sextet = SEXTETS[text.charCodeAt(at)] as number;
    if (sextet === -1) return null;
    held = ((held << 6) | sextet) & 0x3fff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to] = held >> bits;
    to += 1;
  }
  return bytes;
}

/**
 * 32 bytes in padded standard base64. The last character before the padding holds two bits that count for nothing: it is
 * one of 16, so that every digest has exactly one spelling.
 */
const SHA256_BASE64 = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** A SHA-256 digest or MAC in standard base64; null for anything else, other spellings of the same bytes included. */
export const sha256FromBase64 = (text: string): Uint8Array | null =>
  SHA256_BASE64.test(text) ? fromBase64(text) : null;
