import type { JsonValue } from '../../../core/json/json.ts';
import type { EffectOutcome, Resolved } from '../../events.ts';
import { hasMore, replyTextOf } from '../../journal.ts';
import { deliveredRun } from '../../model/after-review.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, endedRow, toRecord, withRun } from '../tables/event-row.ts';

/** Makes `Events.resolve` of a row, for inside a transaction. */
export function createResolve({ connection, events, clock }: StoreParts) {
  const read = connection.query<{ kind: string; value: string }>(
    'SELECT kind, value FROM journal WHERE tenant = ? AND event_id = ? AND step = ?',
  );
  const settle = connection.query('UPDATE journal SET kind = ?, at = ? WHERE tenant = ? AND event_id = ? AND step = ?');

  return (row: EventRow, effect: string, outcome: EffectOutcome): Resolved => {
    if (row.state !== 'parked' || row.failure !== 'ERR_AMBIGUOUS_EFFECT') {
      return { kind: 'wrong_state', state: row.state };
    }
    const entry = read.get(row.tenant, row.id, effect);
    if (entry?.kind !== 'intent') return { kind: 'no_effect' };
    const value = JSON.parse(entry.value) as JsonValue;
    const isDelivered = outcome === 'delivered';
    settle.run(isDelivered ? 'result' : 'refused', clock(), row.tenant, row.id, effect);
    const settled: EventRow =
      isDelivered && !hasMore({ value })
        ? endedRow({ ...withReply(row, replyTextOf(effect, { value })), failure: null }, 'done', clock())
        : { ...row, failure: 'ERR_EFFECT_NOT_DELIVERED' };
    events.save(settled);
    return { kind: 'ok', record: toRecord(settled) };
  };
}

function withReply(row: EventRow, text: string | undefined): EventRow {
  const run = text === undefined ? undefined : deliveredRun(toRecord(row), text);
  return run === undefined ? row : withRun(row, run);
}
