import { SallyportError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json/json-text.ts';
import type { EventFilter, Events } from '../../events.ts';
import type { JournalEntry } from '../../journal.ts';
import { parkByOperator, redrive, resolveEffect } from '../../model/transitions.ts';
import type { Query, SqlValue } from '../file/connection.ts';
import { createTransition, type Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, toRecord } from '../tables/event-table.ts';

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

const MAX_LIMIT = 200;

/** Greater than every id. */
const AFTER_ALL = '~';

/**
 * A page's cursor is the id of its last event. Ids begin with their time, so newest first is the order of ids, and a
 * cursor neither tells what other tenants do nor breaks when its event is forgotten.
 */
const CURSOR = /^ev_[0-9A-Z]{26}$/;

function createEventList({ connection, writer }: StoreParts): Events['list'] {
  const queries = new Map<string, Query<EventRow>>();

  function queryFor(conditions: string): Query<EventRow> {
    const known = queries.get(conditions);
    if (known !== undefined) return known;
    const query = connection.query<EventRow>(`SELECT * FROM events WHERE ${conditions} ORDER BY id DESC LIMIT ?`);
    queries.set(conditions, query);
    return query;
  }

  function rows(tenant: string, { state, channel, cursor = AFTER_ALL }: EventFilter, limit: number): EventRow[] {
    const conditions = ['tenant = ?', 'id < ?'];
    const values: SqlValue[] = [tenant, cursor];
    for (const [column, value] of [
      ['state', state],
      ['channel', channel],
    ] as const) {
      if (value === undefined) continue;
      conditions.push(`${column} = ?`);
      values.push(value);
    }
    return queryFor(conditions.join(' AND ')).all(...values, limit);
  }

  return async (tenant, filter) => {
    if (filter.cursor !== undefined && !CURSOR.test(filter.cursor)) {
      throw new SallyportError('ERR_INVALID_REQUEST', 'the cursor is not one that a page gave');
    }
    const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), MAX_LIMIT);
    // One more than asked for tells whether another page follows.
    const found = writer.read(() => rows(tenant, filter, limit + 1));
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const events = page.map(toRecord);
    return found.length > limit && last !== undefined ? { events, cursor: last.id } : { events };
  };
}
