import * as z from 'zod';
import { setting } from '../core/setting.ts';
import { duration, durationBetween, instant, integer } from '../core/setting-values.ts';

export const concurrency = setting(integer(1, 10_000).default(32), {
  env: 'SALLYPORT_CONCURRENCY',
  description: 'conversations a worker process runs at a time',
});

/** How far the clocks of two machines may differ (ms). */
const CLOCK_SKEW_MS = 5 * 60_000;

/** Replies wait for the time of the restore to be over: one far ahead would hold all of them. */
const isPast = (at: number): boolean => at <= Date.now() + CLOCK_SKEW_MS;

export const workerSchema = z
  .strictObject({
    lease: setting(durationBetween('1s', '1h').prefault('30s'), {
      env: 'SALLYPORT_LEASE',
      description: 'silence after which a worker is taken for dead and its conversation given to another',
    }),
    /**
     * The lease is held half as long again, whatever happens to the worker, and an absent reply counts as not posted
     * only after this and the vendor's own delays (`core/reply-timing`).
     */
    replyTimeout: setting(durationBetween('100ms', '10m').prefault('10s'), {
      env: 'SALLYPORT_REPLY_TIMEOUT',
      description:
        "one call that posts a reply, 100ms to 10m. A lost reply is posted again only after this and [the vendor's own delays](replies.md#once), which must be shorter than `SALLYPORT_MAX_AGE`",
    }),
    restoredAt: setting(instant.refine(isPast, 'must not be in the future').optional(), {
      env: 'SALLYPORT_RESTORED_AT',
      description:
        'when the store was [restored](operations.md#restore) from a backup, as `2026-04-30T22:00:00Z`: of what was received before, the vendor is asked for the reply before it is posted',
    }),
  })
  .prefault({});

const DISCLOSURE = 'Written by AI. It may contain mistakes.';

const disclosureText = z
  .string({ error: 'must be text' })
  .trim()
  .min(1, { message: 'is empty; off shows none' })
  .max(200, { message: 'is longer than 200 characters' })
  .regex(/^\P{Cc}*$/u, { message: 'must be one line' });

/** What is shown beside replies that a model wrote; `off`: nothing. */
export const disclosure = setting(disclosureText.default(DISCLOSURE), {
  env: 'SALLYPORT_AI_DISCLOSURE',
  description: '[shown with replies that a model wrote](replies.md#written-by-a-model), one line; `off` shows none',
});

/** Of one tenant, instead of `disclosure`. */
export const tenantDisclosure = setting(disclosureText.optional(), {
  description: "shown with the tenant's replies that a model wrote",
  default: '`disclosure`',
});

export const keeperSchema = z
  .strictObject({
    every: setting(duration.prefault('1m'), {
      description: 'how often subscriptions and watches are looked at; each is renewed long before it ends',
    }),
    silentAfter: setting(duration.prefault('24h'), {
      description: 'a source that has sent nothing for this long raises an alarm',
    }),
  })
  .prefault({});
