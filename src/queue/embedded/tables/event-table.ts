import type { InboundEvent } from '../../../core/event.ts';
import type { ConversationRef } from '../../conversation-ref.ts';
import type { Connection } from '../file/connection.ts';
import type { EventRow } from './event-row.ts';

/** The statements over `events` that more than one room needs. */
export interface EventTable {
  get(tenant: string, id: string): EventRow | undefined;
  /** The first in line, whatever its state. */
  head(conversation: ConversationRef): EventRow | undefined;
  /** Appends a queued event at `place`, or records a conflict that ended at `endedAt`. */
  insert(event: InboundEvent, as: { readonly place: number } | { readonly endedAt: number }): void;
  /** Writes everything but the event itself. */
  save(row: EventRow): void;
  saveBody(row: EventRow, event: InboundEvent): void;
}

export function createEventTable(connection: Connection): EventTable {
  const get = connection.query<EventRow>('SELECT * FROM events WHERE tenant = ? AND id = ?');
  const head = connection.query<EventRow>(
    'SELECT * FROM events WHERE tenant = ? AND conversation = ? AND place IS NOT NULL ORDER BY place LIMIT 1',
  );
  const insert = connection.query(
    `INSERT INTO events (tenant, id, channel, conversation, state, place, ended_at, eligible_at, body,
       generation, attempts, deliveries, waited_ms, runs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 1, 0, '[]')`,
  );
  const save = connection.query(
    `UPDATE events SET state = ?, place = ?, generation = ?, attempts = ?, deliveries = ?, eligible_at = ?,
       waited_ms = ?, ended_at = ?, failure = ?, runs = ?, review = ?, review_until = ? WHERE seq = ?`,
  );
  const saveBody = connection.query('UPDATE events SET body = ? WHERE seq = ?');
  return {
    get: (tenant, id) => get.get(tenant, id),
    head: ({ tenant, key }) => head.get(tenant, key),
    insert(event, as) {
      const [state, place, endedAt] = 'place' in as ? ['queued', as.place, null] : ['conflict', null, as.endedAt];
      const { tenant, id, channel, conversation, receivedAt } = event;
      insert.run(tenant, id, channel, conversation.key, state, place, endedAt, receivedAt, JSON.stringify(event));
    },
    save(row) {
      const { state, place, generation, attempts, deliveries, eligible_at } = row;
      const { waited_ms, ended_at, failure, runs, review, review_until } = row;
      const counts = [generation, attempts, deliveries, eligible_at, waited_ms];
      save.run(state, place, ...counts, ended_at, failure, runs, review, review_until, row.seq);
    },
    saveBody: (row, event) => void saveBody.run(JSON.stringify(event), row.seq),
  };
}
