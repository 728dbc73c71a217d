import type { Crypto } from '../core/crypto/crypto.ts';
import { fromBase64, toBase64Url, toUtf8 } from '../core/crypto/encoding.ts';
import { SallyportError } from '../core/errors.ts';

/** AES-GCM nonce length in bytes (NIST SP 800-38D, 8.2: 96 bits). */
const NONCE_BYTES = 12;

/** A capability is bound to where it belongs: sealed text moved to another tenant or event does not open. */
export interface SealBinding {
  readonly tenant: string;
  readonly eventId: string;
  /** The capability's name, e.g. `response_url`. */
  readonly name: string;
}

export interface Sealer {
  /** `v1.<nonce and ciphertext, base64url>` */
  seal(capability: string, binding: SealBinding): string;
  /** @throws SallyportError ERR_SEAL_BROKEN when no key opens it, or it was bound elsewhere. */
  open(sealed: string, binding: SealBinding): string;
}

/** `keys` are 32 bytes each; the first seals, all open (rotation: put the new key first, drop the old one later). */
export function createSealer(crypto: Crypto, keys: readonly Uint8Array[]): Sealer {
  const sealingKey = keys[0];
  if (sealingKey === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_SEAL_KEY: no key given');
  return {
    seal(capability, binding) {
      const nonce = crypto.random(NONCE_BYTES);
      const ciphertext = crypto.encrypt(sealingKey, nonce, toUtf8(capability), associatedData(binding));
      const joined = new Uint8Array(nonce.length + ciphertext.length);
      joined.set(nonce);
      joined.set(ciphertext, nonce.length);
      return `v1.${toBase64Url(joined)}`;
    },
    open(sealed, binding) {
      const bytes = sealed.startsWith('v1.') ? fromBase64(sealed.slice(3)) : null;
      if (bytes !== null && bytes.length > NONCE_BYTES) {
        const nonce = bytes.subarray(0, NONCE_BYTES);
        const ciphertext = bytes.subarray(NONCE_BYTES);
        for (const key of keys) {
          const plaintext = crypto.decrypt(key, nonce, ciphertext, associatedData(binding));
          if (plaintext !== null) return new TextDecoder().decode(plaintext);
        }
      }
      throw new SallyportError('ERR_SEAL_BROKEN', 'a sealed capability could not be opened');
    },
  };
}

/** JSON keeps the three apart, whatever characters they hold. */
const associatedData = ({ tenant, eventId, name }: SealBinding): Uint8Array =>
  toUtf8(JSON.stringify(['sallyport.seal.v1', tenant, eventId, name]));
