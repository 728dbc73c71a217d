import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';

/** A self-signed certificate and its key, as an administrator makes one for Graph's rich notifications. */
export interface TestCertificate {
  /** PEM, PKCS #8; for `GRAPH_ENCRYPTION_KEY`. */
  readonly privateKey: string;
  /** DER in base64; for `GRAPH_ENCRYPTION_CERT`. */
  readonly certificate: string;
  readonly publicKey: KeyObject;
}

/** Makes one of 2048 bits, Graph's minimum. Graph looks neither at its name nor at its dates. */
export function createTestCertificate(): TestCertificate {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signatureAlgorithm = sequence(SHA256_WITH_RSA, NULL);
  const name = sequence(set(sequence(COMMON_NAME, der(0x0c, Buffer.from('sallyport')))));
  const validity = sequence(der(0x17, Buffer.from('250101000000Z')), der(0x17, Buffer.from('491231235959Z')));
  // The first bit clear: the number is positive.
  const serial = der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)]));
  const subjectKey = pair.publicKey.export({ format: 'der', type: 'spki' });
  const body = sequence(serial, signatureAlgorithm, name, validity, name, subjectKey);
  const signature = Buffer.concat([Buffer.from([0]), sign('RSA-SHA256', body, pair.privateKey)]);
  const certificate = sequence(body, signatureAlgorithm, der(0x03, signature));
  return {
    privateKey: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    certificate: certificate.toString('base64'),
    publicKey: pair.publicKey,
  };
}

/** The key Graph encrypts with. @throws when the text is no certificate in base64 */
export const publicKeyOf = (certificate: string): KeyObject =>
  new X509Certificate(Buffer.from(certificate, 'base64')).publicKey;

/** X.690: tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const set = (...parts: readonly Buffer[]): Buffer => der(0x31, Buffer.concat(parts));

/** 1.2.840.113549.1.1.11 and 2.5.4.3 */
const SHA256_WITH_RSA = der(0x06, Buffer.from('2a864886f70d01010b', 'hex'));
const COMMON_NAME = der(0x06, Buffer.from('550403', 'hex'));
const NULL = der(0x05, Buffer.alloc(0));
