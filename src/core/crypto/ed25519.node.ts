import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';

/** Signs a text (UTF-8); base64. `der` is a private key as PKCS #8. @throws when it is none of Ed25519 */
export function signerOf(der: Uint8Array): (text: string) => string {
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  return (text) => sign(null, Buffer.from(text, 'utf8'), key).toString('base64');
}

/** Whether a signature is of the holder of a public key, which is SPKI in base64. @throws when it is none of Ed25519 */
export function verifierOf(spki: string): (text: string, signature: string) => boolean {
  const key = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('no Ed25519 key');
  return (text, signature) => verify(null, Buffer.from(text, 'utf8'), key, Buffer.from(signature, 'base64'));
}

/** A fresh pair: PKCS #8 and SPKI, in base64. */
export function freshKeyPair(): { readonly privateKey: string; readonly publicKey: string } {
  const pair = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  return { privateKey: pair.privateKey.toString('base64'), publicKey: pair.publicKey.toString('base64') };
}
