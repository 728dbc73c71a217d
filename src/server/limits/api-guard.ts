import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Rate } from '../../core/rate.ts';
import type { Limits, LockoutRule } from '../../queue/limits.ts';
import { createLockouts } from './lockouts.ts';
import { readAddress } from './source-keys.ts';

/** Limits callers with tokens. Nothing passes that cannot be counted. */
export interface ApiGuard {
  /**
   * Before any work is done on a token. @throws SallyportError ERR_RATE_LIMITED with `retryAfterMs` while the source is
   * locked out, ERR_STORE_UNAVAILABLE
   */
  admitSource(source: string): Promise<void>;
  /**
   * Counts a request of a verified caller.
   * @throws SallyportError ERR_RATE_LIMITED with `retryAfterMs`, ERR_STORE_UNAVAILABLE
   */
  admitCaller(tenant: string, subject: string): Promise<void>;
  /**
   * Counts a token that was refused against its source and, where its signature was good, its subject. `isExpired`: its
   * signature was good as well.
   * @throws SallyportError ERR_RATE_LIMITED with `retryAfterMs` while such tokens of the subject are locked out, or when
   * too many without a good signature came through untrusted proxies; ERR_STORE_UNAVAILABLE
   */
  countRefused(
    source: string,
    verified?: { readonly tenant: string; readonly subject: string },
    isExpired?: boolean,
  ): Promise<void>;
}

const QUARTER_HOUR_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/** Refused tokens of one subject: three in a quarter of an hour, then a quarter of an hour, each time. */
const SUBJECT_RULE: LockoutRule = {
  failures: { count: 3, windowMs: QUARTER_HOUR_MS },
  firstMs: QUARTER_HOUR_MS,
  longestMs: QUARTER_HOUR_MS,
  forgiveMs: DAY_MS,
};

/** Subscribers of an IPv6 site whose failures lock all of it out. */
const SITE_FACTOR = 8;

/**
 * So many times the failures of one source may come through all untrusted proxies together before such failures are answered
 * 429. Valid tokens pass meanwhile, as they come from others.
 */
const SHARED_FACTOR = 20;

export function createApiGuard({
  limits,
  digest,
  rate,
  failures,
  isShared,
  clock,
}: {
  readonly limits: Limits;
  readonly digest: Identifier['digest'];
  /** Requests of one subject. */
  readonly rate: Rate;
  /** Refused tokens of one source that lock it out: for 15 minutes, then twice as long each time, up to a day. */
  readonly failures: Rate;
  /** Whether an address stands for many senders; those are never locked out. */
  readonly isShared: (source: string) => boolean;
  readonly clock: Clock;
}): ApiGuard {
  const lockouts = createLockouts(limits, clock);
  const shared = digest('token-source', ['untrusted proxies']);
  /** Until when the failures of untrusted proxies are used up, in epoch ms. */
  let sharedUntil = 0;
  const keysOf = (source: string): readonly string[] =>
    (readAddress(source)?.keys ?? [source]).map((key) => digest('token-source', [key]));
  const ruleOf = (at: number): LockoutRule => ({
    failures: { ...failures, count: failures.count * (at === 0 ? 1 : SITE_FACTOR) },
    firstMs: QUARTER_HOUR_MS,
    longestMs: DAY_MS,
    forgiveMs: DAY_MS,
  });

  /** Once they are used up they are no longer counted, so that a flood of them costs the store nothing. */
  async function countShared(): Promise<void> {
    const now = clock();
    if (now >= sharedUntil) {
      const rule = { ...failures, count: failures.count * SHARED_FACTOR };
      sharedUntil = now + (await limits.take(shared, rule));
    }
    refuseFor(sharedUntil - now, 'too many refused tokens through untrusted proxies');
  }

  return {
    async admitSource(source) {
      if (isShared(source)) return;
      const waits = await Promise.all(keysOf(source).map(lockouts.lockedFor));
      refuseFor(Math.max(...waits), 'too many refused tokens from this source');
    },
    async admitCaller(tenant, subject) {
      refuseFor(await limits.take(digest('caller', [tenant, subject]), rate), 'too many requests of this subject');
    },
    async countRefused(source, verified, isExpired = false) {
      if (!isShared(source)) await Promise.all(keysOf(source).map((key, at) => lockouts.fail(key, ruleOf(at))));
      else if (verified === undefined && !isExpired) await countShared();
      if (verified === undefined) return;
      const key = digest('token-subject', [verified.tenant, verified.subject]);
      // A new token of the subject works: only those that are refused anyway are refused with 429.
      refuseFor(await limits.lockedFor(key), 'too many refused tokens of this subject');
      await limits.fail(key, SUBJECT_RULE);
    },
  };
}

function refuseFor(retryAfterMs: number, message: string): void {
  if (retryAfterMs > 0) throw new SallyportError('ERR_RATE_LIMITED', message, { retryAfterMs });
}
