import { fromBase64, toUtf8 } from './encoding.ts';

/** Marks a secret of Standard Webhooks whose rest is base64. */
const PREFIX = 'whsec_';

/** Bytes below which a key is guessable; Standard Webhooks itself recommends 24 to 64. */
const LEAST = 16;

/**
 * The key of a secret: `whsec_` and base64, or any other text, which counts as it is written. Null when it is too short
 * or is not base64 where it should be.
 */
export function webhookKey(secret: string): Uint8Array | null {
  const key = secret.startsWith(PREFIX) ? fromBase64(secret.slice(PREFIX.length)) : toUtf8(secret);
  return key === null || key.length < LEAST ? null : key;
}
