/** First wait in ms. A vendor's hiccup is over sooner than a person gives up. */
const BASE_MS = 1_000;

/**
 * Each wait is so many times the one before. The four waits between five attempts then total 20 to 40 s: an outage that
 * is over by then parks nothing, and the 60 s for which a head may hold up its conversation are kept.
 */
const GROWTH = 3;

/** Longest single wait in ms. */
const CAP_MS = 27_000;

/**
 * Wait before the attempt after `attempt` (from 1): exponential with equal jitter, so that a thousand conversations
 * which failed together do not come back together. A vendor's `Retry-After` is never undercut. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, retryAfterMs: number | undefined, random: () => number): number {
  const full = Math.min(CAP_MS, BASE_MS * GROWTH ** (attempt - 1));
  const wait = full / 2 + (full / 2) * random();
  return Math.round(Math.max(wait, retryAfterMs ?? 0));
}
