import type { Clock } from '../../core/clock.ts';
import type { VerifiedToken, VerifyToken } from './token-verifier.ts';

export interface RememberOptions {
  readonly clock: Clock;
  /** Tokens kept; the oldest goes first. Only verified ones are, so a stranger cannot push honest ones out. */
  readonly maxTokens?: number;
  /** How long a token is believed without another look, in ms: a withdrawn key lives on that much longer. */
  readonly forMs?: number;
}

const MAX_TOKENS = 1_000;
const FOR_MS = 5 * 60_000;

interface Remembered<Claims> {
  readonly verified: VerifiedToken<Claims>;
  readonly at: number;
}

/**
 * The same verifier for senders that use one token for many requests (Pub/Sub does for up to an hour): an RSA signature
 * costs 0.2 ms, more than everything else a delivery needs. The whole token is compared, and its end is looked at again.
 */
export function rememberTokens<Claims>(
  verify: VerifyToken<Claims>,
  { clock, maxTokens = MAX_TOKENS, forMs = FOR_MS }: RememberOptions,
): VerifyToken<Claims> {
  const known = new Map<string, Remembered<Claims>>();
  return async (token) => {
    const now = clock();
    const found = known.get(token);
    if (found !== undefined && now >= found.at && now - found.at < forMs && now < found.verified.expiresAt) {
      return found.verified;
    }
    known.delete(token);
    const verified = await verify(token);
    known.set(token, { verified, at: now });
    const oldest = known.keys().next();
    if (known.size > maxTokens && !oldest.done) known.delete(oldest.value);
    return verified;
  };
}
