import type { Crypto } from '../../../core/crypto/crypto.ts';
import { fromBase64, sha256FromBase64 } from '../../../core/crypto/encoding.ts';
import { SallyportError } from '../../../core/errors.ts';
import { decodeText, type JsonValue, parseJsonText } from '../../../core/json/json-text.ts';
import type { EncryptedContent, QuarantineReason } from '../receive/payload.ts';

/** A certificate's private key. Several are kept while one replaces another: Graph goes on using the old one for a while. */
export interface EncryptionKey {
  /** `encryptionCertificateId`, our own name for the certificate. */
  readonly id: string;
  /** PEM, PKCS #8 or PKCS #1, not encrypted. */
  readonly privateKey: string;
}

export type Opened =
  | { readonly kind: 'opened'; readonly resource: JsonValue }
  | { readonly kind: 'refused'; readonly reason: QuarantineReason };

/**
 * Decrypts the resource of a rich notification. It proves nothing about who sent it: whoever has the certificate, which
 * is no secret, can make one that opens.
 */
export type OpenContent = (encrypted: EncryptedContent) => Promise<Opened>;

const KEY_BYTES = 32;
const IV_BYTES = 16;

/** https://learn.microsoft.com/graph/change-notifications-with-resource-data, "Decrypt resource data". */
const RSA = { name: 'RSA-OAEP', hash: 'SHA-1' } as const;

/**
 * RSA runs in WebCrypto because that does it off the event loop: a 4096-bit key costs 5 ms an item.
 * @throws SallyportError ERR_CONFIG_INVALID for a key that is not an unencrypted RSA key in PEM
 */
export function createContentOpener(crypto: Crypto, keys: readonly EncryptionKey[]): OpenContent {
  const imports = new Map(keys.map(({ id, privateKey }) => [id, createImport(privateKey)]));
  return async (encrypted) => {
    const importKey = imports.get(encrypted.encryptionCertificateId);
    if (importKey === undefined) return { kind: 'refused', reason: 'unknown_certificate' };
    const plain = await open(await importKey(), encrypted, crypto).catch(() => null);
    return plain === null ? { kind: 'refused', reason: 'undecryptable' } : { kind: 'opened', resource: plain };
  };
}

type PrivateKey = Awaited<ReturnType<typeof globalThis.crypto.subtle.importKey>>;

function createImport(pem: string): () => Promise<PrivateKey> {
  const bytes = pkcs8Of(pem);
  if (bytes === null) throw new SallyportError('ERR_CONFIG_INVALID', 'GRAPH_ENCRYPTION_KEY: is not an RSA key in PEM');
  let imported: Promise<PrivateKey> | undefined;
  return () => {
    imported ??= globalThis.crypto.subtle.importKey('pkcs8', bytes, RSA, false, ['decrypt']);
    return imported;
  };
}

/** Null unless it was made for our certificate and nobody changed it since. */
async function open(rsa: PrivateKey, content: EncryptedContent, crypto: Crypto): Promise<JsonValue | null> {
  const [wrapped, data] = [content.dataKey, content.data].map(fromBase64);
  const signature = sha256FromBase64(content.dataSignature);
  if (!wrapped || !data || !signature) return null;
  const { subtle } = globalThis.crypto;
  const key = new Uint8Array(await subtle.decrypt(RSA.name, rsa, Uint8Array.from(wrapped)));
  // The signature covers the decoded bytes; it is looked at before anything is decrypted.
  if (key.length !== KEY_BYTES || !crypto.equal(crypto.hmacSha256(key, data), signature)) return null;
  const aes = await subtle.importKey('raw', key, 'AES-CBC', false, ['decrypt']);
  const iv = key.slice(0, IV_BYTES);
  const plain = await subtle.decrypt({ name: 'AES-CBC', iv }, aes, Uint8Array.from(data));
  return parseJsonText(decodeText(new Uint8Array(plain)));
}

/** DER of `AlgorithmIdentifier { rsaEncryption, NULL }` (RFC 8017, A.1) behind the version number of PKCS #8. */
const PKCS8_PROLOGUE = [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const NULL_PARAMETERS = [0x05, 0x00];

const PEM = /^-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (RSA )?PRIVATE KEY-----$/;

/**
 * An unencrypted RSA key in PEM as PKCS #8 bytes, which is the one form WebCrypto imports. `openssl genrsa` wrote
 * PKCS #1 (`BEGIN RSA PRIVATE KEY`) until version 3; that is wrapped. Null when it is neither.
 */
function pkcs8Of(pem: string): Uint8Array<ArrayBuffer> | null {
  const match = PEM.exec(pem.trim());
  const der = match === null ? null : fromBase64((match[2] ?? '').replace(/\s+/g, ''));
  if (match === null || der === null) return null;
  if (match[1] === undefined) return Uint8Array.from(der);
  const key = tagged(0x04, [...der]);
  return Uint8Array.from(tagged(0x30, [...PKCS8_PROLOGUE, ...NULL_PARAMETERS, ...key]));
}

/** DER's tag, length and content (X.690, 8.1). */
function tagged(tag: number, content: readonly number[]): number[] {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return [tag, ...size, ...content];
}
