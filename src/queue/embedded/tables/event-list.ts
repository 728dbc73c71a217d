import { SallyportError } from '../../../core/errors.ts';
import type { EventFilter, Events } from '../../events.ts';
import type { Query, SqlValue } from '../file/connection.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, toRecord } from './event-row.ts';

const MAX_LIMIT = 200;

/** Greater than every id. */
const AFTER_ALL = '~';

/**
 * A page's cursor is the id of its last event. Ids begin with their time, so newest first is the order of ids, and a
 * cursor neither tells what other tenants do nor breaks when its event is forgotten.
 */
const CURSOR = /^ev_[0-9A-Z]{26}$/;

export function createEventList({ connection, writer }: StoreParts): Events['list'] {
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
