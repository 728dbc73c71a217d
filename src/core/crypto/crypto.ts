/**
 * The few cryptographic operations the journey needs, as a port: the ingress runs on Node and at the edge, and none of
 * its files may name a Node built-in. All operations are synchronous, because a verification that yields to the event
 * loop costs more than the digest itself (measured: 2.6 µs for a 732-byte HMAC).
 */
export interface Crypto {
  /** HMAC-SHA256 over the parts, concatenated. Strings count as UTF-8. Returns 32 bytes. */
  hmacSha256(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Uint8Array;
  /** The same as 64 lower-case hexadecimal digits, which is how senders write it. */
  hmacHex(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): string;
  /** HMAC-SHA256 over a text, as 43 characters of base64url: what names are made of, in one call. */
  hmacText(key: Uint8Array, text: string): string;
  /** SHA-256 as 64 lower-case hexadecimal digits. A string counts as UTF-8. */
  sha256Hex(data: Uint8Array | string): string;
  /** Constant-time comparison; false when the lengths differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** The same for two ASCII texts of at most 128 characters. */
  equalText(a: string, b: string): boolean;
  /** Cryptographically random bytes. */
  random(length: number): Uint8Array;
  /** AES-256-GCM: returns ciphertext followed by the 16-byte tag. `nonce` is 12 bytes and never reused under a key. */
  encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** Reverses `encrypt`; null when the tag does not match. */
  decrypt(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | null;
}
