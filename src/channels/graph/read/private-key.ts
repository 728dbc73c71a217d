import { fromBase64 } from '../../../core/crypto/encoding.ts';

/** DER of `AlgorithmIdentifier { rsaEncryption, NULL }` (RFC 8017, A.1) behind the version number of PKCS #8. */
const PKCS8_PROLOGUE = [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const NULL_PARAMETERS = [0x05, 0x00];

const PEM = /^-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (RSA )?PRIVATE KEY-----$/;

/**
 * An unencrypted RSA key in PEM as PKCS #8 bytes, which is the one form WebCrypto imports. `openssl genrsa` wrote
 * PKCS #1 (`BEGIN RSA PRIVATE KEY`) until version 3; that is wrapped. Null when it is neither.
 */
export function pkcs8Of(pem: string): Uint8Array<ArrayBuffer> | null {
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
