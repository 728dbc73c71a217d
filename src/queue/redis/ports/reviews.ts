import { randomUUID } from 'node:crypto';
import type { EventRecord, EventState } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Events } from '../../events.ts';
import { afterAction, rejectedRun } from '../../model/transitions.ts';
import type { ReviewAction, Reviewed, Reviews } from '../../reviews.ts';
import { retentionOf, type StoreLimits } from '../../store.ts';
import { type ScriptArgument, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

export function createReviews({
  shards,
  events,
  limits,
  logger,
}: {
  readonly shards: Shards;
  readonly events: Events;
  readonly limits: StoreLimits;
  readonly logger: Logger;
}): Reviews {
  const { keys, run, now } = shards;

  /** What the script answers, with the record as it is now. */
  async function reviewed(tenant: string, id: string, answer: unknown): Promise<Reviewed> {
    if (answer === 'changed') return { kind: answer };
    if (answer !== 'ok' && answer !== 'too_late') return { kind: 'wrong_state', state: answer as EventState };
    const record = await events.get(tenant, id);
    return record === null ? { kind: 'not_found' } : { kind: answer === 'ok' ? 'ok' : 'expired', record };
  }

  return {
    async decide(tenant, id, digest, action) {
      const record = await events.get(tenant, id);
      if (record === null) return { kind: 'not_found' };
      if (record.review === undefined) return { kind: 'wrong_state', state: record.state };
      const { key } = record.event.conversation;
      // What follows is computed from what was read; the script acts only while that digest is still the held one.
      const seen = record.review.digest === digest ? digest : '';
      const request = [now(), tenant, key, id, randomUUID(), seen, action.kind];
      const args = [...request, ...following(record, action, limits)];
      const answer = await run(scripts.decide, keys.tagOf(tenant), args);
      return answer === '' ? { kind: 'not_found' } : reviewed(tenant, id, answer);
    },
    sweep: (tenant) => sweepReviews(shards, keys.tagOf(tenant), logger),
  };
}

function following(
  { event, review: held, runs }: EventRecord,
  action: ReviewAction,
  limits: StoreLimits,
): ScriptArgument[] {
  const review = held && afterAction(held, action);
  const last = runs.at(-1);
  const run = action.kind === 'reject' && last !== undefined ? JSON.stringify(rejectedRun(last)) : '';
  return [JSON.stringify(review), review?.digest ?? '', retentionOf(limits, event.tenant), run];
}

/** Events parked in one call: about 2 ms. */
const AT_ONCE = 200;

/** Parks what nobody decided about in time, in one shard. */
export async function sweepReviews({ run, now }: Shards, tag: string, logger: Logger): Promise<void> {
  for (let events = AT_ONCE; events === AT_ONCE; ) {
    events = Number(await run(scripts.sweepReviews, tag, [now(), AT_ONCE]));
    if (events > 0) logger.warn({ events }, 'review.expired');
  }
}
