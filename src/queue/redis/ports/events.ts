import { SallyportError } from '../../../core/errors.ts';
import { type EventRecord, type EventState, eventStates } from '../../../core/event.ts';
import type { EffectOutcome, EventFilter, EventPage, Events, Resolved, Transition } from '../../events.ts';
import { hasMore, replyTextOf } from '../../journal.ts';
import { deliveredRun } from '../../model/transitions.ts';
import { retentionOf, type StoreLimits } from '../../store.ts';
import { type Script, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { readStep } from './journal.ts';
import { decodeRecord } from './record.ts';

/** Records a page looks at for a channel before it gives up and hands out a cursor to go on from. */
const SCAN = 2_000;

export function createEvents(shards: Shards, limits: StoreLimits): Events {
  const { keys, client, run, now, failed } = shards;

  async function get(tenant: string, id: string): Promise<EventRecord | null> {
    const flat = await client.hgetall(`${keys.tagOf(tenant)}:event:${id}`).catch((error: unknown) => {
      throw failed(error);
    });
    const record = decodeRecord(Object.entries(flat).flat());
    return record?.event.tenant === tenant ? record : null;
  }

  /** Reading the record first proves that it is the tenant's, and tells its conversation; neither ever changes. */
  async function transition(script: Script, tenant: string, id: string): Promise<string> {
    const record = await get(tenant, id);
    if (record === null) return '';
    const args = [now(), tenant, record.event.conversation.key, id];
    return (await run(script, keys.tagOf(tenant), args)) as string;
  }

  async function succeeded(tenant: string, id: string): Promise<Transition> {
    const record = await get(tenant, id);
    return record === null ? { kind: 'not_found' } : { kind: 'ok', record };
  }

  return {
    get,
    list: (tenant, filter) => list(shards, tenant, filter),
    async redrive(tenant, id) {
      const answer = await transition(scripts.redrive, tenant, id);
      if (answer === '') return { kind: 'not_found' };
      if (answer === 'ok') return succeeded(tenant, id);
      if (answer === 'reply_delivered' || answer === 'ambiguous') return { kind: answer };
      return { kind: 'wrong_state', state: answer as EventState };
    },
    resolve: (tenant, id, effect, outcome) => resolveEffect({ shards, limits, get }, { tenant, id, effect, outcome }),
    async park(tenant, id) {
      const left = await transition(scripts.park, tenant, id);
      if (left === '') return { kind: 'not_found' };
      if (left === 'queued' || left === 'waiting' || left === 'running') return succeeded(tenant, id);
      return { kind: 'wrong_state', state: left as EventState };
    },
  };
}

type Row = readonly [order: number, fields: readonly string[]];

async function list({ keys, run }: Shards, tenant: string, filter: EventFilter): Promise<EventPage> {
  const { limit } = filter;
  const states = filter.state === undefined ? eventStates : [filter.state];
  const events: EventRecord[] = [];
  let below = filter.cursor === undefined ? '+inf' : orderOf(filter.cursor);
  for (let looked = 0; looked < SCAN; looked += limit) {
    const args = [tenant, below, limit + 1, ...states];
    const rows = (await run(scripts.list, keys.tagOf(tenant), args)) as Row[];
    for (const [order, fields] of rows.slice(0, limit)) {
      if (events.length === limit) return { events, cursor: below };
      below = String(order);
      const record = decodeRecord(fields);
      if (record !== null && (filter.channel ?? record.event.channel) === record.event.channel) events.push(record);
    }
    if (rows.length <= limit) return { events };
    if (events.length === limit) break;
  }
  return { events, cursor: below };
}

/** A cursor is the place in the order of acceptance of the last event shown. */
function orderOf(cursor: string): string {
  if (!/^[1-9]\d{0,15}$/.test(cursor)) throw new SallyportError('ERR_INVALID_REQUEST', 'The cursor is not one of ours');
  return cursor;
}

interface Resolution {
  readonly tenant: string;
  readonly id: string;
  readonly effect: string;
  readonly outcome: EffectOutcome;
}

/** `Events.resolve`. Nothing of a parked event changes between reading it and the script, but by another resolution. */
async function resolveEffect(
  {
    shards,
    limits,
    get,
  }: {
    readonly shards: Shards;
    readonly limits: StoreLimits;
    readonly get: Events['get'];
  },
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
  const args = [now(), tenant, id, effect, outcome, retentionOf(limits, tenant), json, isWhole ? 1 : 0];
  const answer = (await run(scripts.resolve, keys.tagOf(tenant), args)) as string;
  if (answer === 'no_effect') return { kind: answer };
  if (answer !== '' && answer !== 'ok') return { kind: 'wrong_state', state: answer as EventState };
  const record = answer === 'ok' ? await get(tenant, id) : null;
  return record === null ? { kind: 'not_found' } : { kind: 'ok', record };
}
