import type { Crypto } from '../core/crypto/crypto.ts';
import { toHex } from '../core/crypto/encoding.ts';

/**
 * Four hexadecimal digits: enough to see that two mentions in a conversation are the same secret, too few to confirm a
 * guess (one wrong guess in 65,536 looks right, and the digest is keyed).
 */
const DIGEST_CHARS = 4;

/** `[secret:<rule>#<digest>]`; the same secret under the same rule always reads the same. */
export type Placeholder = (rule: string, secret: string) => string;

export function createPlaceholder(crypto: Crypto, key: Uint8Array): Placeholder {
  return (rule, secret) => {
    const digest = toHex(crypto.hmacSha256(key, 'sallyport.scrub.v1\0', secret));
    return `[secret:${rule}#${digest.slice(0, DIGEST_CHARS)}]`;
  };
}

/** Sticky. Longer names or digests are not ours: a secret must not hide by dressing up as something already hidden. */
export const PLACEHOLDER = /\[secret:([a-z0-9-]{1,40})#[0-9a-f]{4}\]/y;
