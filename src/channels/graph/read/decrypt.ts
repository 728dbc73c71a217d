import type { Crypto } from '../../../core/crypto/crypto.ts';
import { fromBase64, sha256FromBase64 } from '../../../core/crypto/encoding.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json/json.ts';
import { decodeText, parseJsonText } from '../../../core/json/json-text.ts';
import type { EncryptedContent } from '../receive/payload.ts';
import type { QuarantineReason } from '../sync/reasons.ts';
import { pkcs8Of } from './private-key.ts';

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
