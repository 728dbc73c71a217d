/** First wait in ms; doubled with each attempt. A vendor's hiccup is over sooner than a person gives up. */
const BASE_MS = 1_000;

/** Longest single wait in ms. Longer ones make no sense, because all waits of a head total 60 s at most. */
const CAP_MS = 20_000;

/**
 * Wait before the attempt after `attempt` (from 1): exponential with equal jitter, so that a thousand conversations
 * which failed together do not come back together. A vendor's `Retry-After` is never undercut. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, retryAfterMs: number | undefined, random: () => number): number {
  const full = Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
  const wait = full / 2 + (full / 2) * random();
  return Math.round(Math.max(wait, retryAfterMs ?? 0));
}
