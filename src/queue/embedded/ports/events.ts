import type { JsonValue } from '../../../core/json/json.ts';
import type { Events } from '../../events.ts';
import type { JournalEntry } from '../../journal.ts';
import { parkByOperator, redrive, resolveEffect } from '../../model/transitions.ts';
import { createTransition } from '../run/transition.ts';
import type { Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';
import { createEventList } from '../tables/event-list.ts';
import { toRecord } from '../tables/event-row.ts';

export function createEvents(parts: StoreParts, turns: Turns): Events {
  const { connection, writer, events } = parts;
  const change = createTransition(parts, turns);
  const read = connection.query<{ kind: JournalEntry['kind']; value: string }>(
    'SELECT kind, value FROM journal WHERE tenant = ? AND event_id = ? AND step = ?',
  );
  const settle = connection.query('UPDATE journal SET kind = ?, at = ? WHERE tenant = ? AND event_id = ? AND step = ?');

  return {
    async get(tenant, id) {
      const row = writer.read(() => events.get(tenant, id));
      return row === undefined ? null : toRecord(row);
    },
    list: createEventList(parts),
    redrive: (tenant, id) => change(tenant, id, redrive),
    park: (tenant, id) => change(tenant, id, parkByOperator),
    resolve: (tenant, id, effect, outcome) =>
      change(tenant, id, (event, now) => {
        const entry = read.get(tenant, id, effect);
        const step = entry && { kind: entry.kind, value: JSON.parse(entry.value) as JsonValue };
        const decision = resolveEffect(event, effect, step, outcome);
        if (decision.kind === 'ok') settle.run(outcome === 'delivered' ? 'result' : 'refused', now, tenant, id, effect);
        return decision;
      }),
  };
}
