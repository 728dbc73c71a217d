import type { Rate } from '../core/rate.ts';

/** When a key whose attempts keep failing is locked out, and for how long. */
export interface LockoutRule {
  /** So many failures in so long lock it out. */
  readonly failures: Rate;
  /** The first lockout, in ms. Each further one lasts twice as long as the one before. */
  readonly firstMs: number;
  /** No lockout lasts longer, in ms. */
  readonly longestMs: number;
  /** For each such time that passes after the end of a lockout, in ms, the next one lasts half as long again. */
  readonly forgiveMs: number;
}

/** Counts that every process sees. Keys are digests: they name people and addresses. */
export interface Limits {
  /**
   * Counts one of `rate.count` for the key; a window begins with the first. Resolves with 0, or with the milliseconds until
   * the window ends when it has been used up. Exact over all processes.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  take(key: string, rate: Rate): Promise<number>;
  /** For how many more milliseconds the key is locked out; 0 if it is not. @throws SallyportError ERR_STORE_UNAVAILABLE */
  lockedFor(key: string): Promise<number>;
  /**
   * Counts a failure of the key, or so many `times`, unless it is locked out. Resolves as `lockedFor` does afterwards.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  fail(key: string, rule: LockoutRule, times?: number): Promise<number>;
  /**
   * Adds to the counts of the current minute. Resolves with the sums over all processes, in the order of the keys.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  addUp(counts: ReadonlyMap<string, number>): Promise<readonly number[]>;
}

/**
 * Keys with a lockout or with failures, and keys counted in one minute: so many are kept at most, about 2 MB of each kind.
 * When there are more, `fail` forgets the key that would be forgotten first anyway, and `addUp` counts no new one.
 */
export const MAX_LIMIT_KEYS = 10_000;

export const MINUTE_MS = 60_000;
