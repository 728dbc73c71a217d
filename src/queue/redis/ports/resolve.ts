import type { EventState } from '../../../core/event.ts';
import type { EffectOutcome, Events, Resolved } from '../../events.ts';
import { hasMore, replyTextOf } from '../../journal.ts';
import { deliveredRun } from '../../model/transitions.ts';
import type { StoreLimits } from '../../store.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { readStep } from './journal.ts';

export interface ResolveDeps {
  readonly shards: Shards;
  readonly limits: StoreLimits;
  readonly get: Events['get'];
}

export interface Resolution {
  readonly tenant: string;
  readonly id: string;
  readonly effect: string;
  readonly outcome: EffectOutcome;
}

/** `Events.resolve`. Nothing of a parked event changes between reading it and the script, but by another resolution. */
export async function resolveEffect(
  { shards, limits, get }: ResolveDeps,
  { tenant, id, effect, outcome }: Resolution,
): Promise<Resolved> {
  const { keys, run, now } = shards;
  const before = await get(tenant, id);
  if (before === null) return { kind: 'not_found' };
  const entry = await readStep(shards, tenant, id, effect);
  const isWhole = outcome === 'delivered' && !hasMore(entry);
  const text = isWhole ? replyTextOf(effect, entry) : undefined;
  const last = deliveredRun(before, text);
  const json = last === undefined ? '' : JSON.stringify(last);
  const args = [now(), tenant, id, effect, outcome, limits.retentionMs, json, isWhole ? 1 : 0];
  const answer = (await run(scripts.resolve, keys.tagOf(tenant), args)) as string;
  if (answer === 'no_effect') return { kind: answer };
  if (answer !== '' && answer !== 'ok') return { kind: 'wrong_state', state: answer as EventState };
  const record = answer === 'ok' ? await get(tenant, id) : null;
  return record === null ? { kind: 'not_found' } : { kind: 'ok', record };
}
