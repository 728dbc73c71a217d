import type { ErrorCode } from '../../../core/errors.ts';
import type { EventRecord, EventState, HeldReply, InboundEvent, Run } from '../../../core/event.ts';
import type { ConversationRef } from '../../lease.ts';
import { isInLine, type Progress } from '../../model/transitions.ts';
import type { Connection } from '../file/connection.ts';

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

/** A row of `events`; data-file.ts says what the columns mean. */
export interface EventRow {
  readonly seq: number;
  readonly tenant: string;
  readonly id: string;
  readonly conversation: string;
  readonly state: EventState;
  readonly place: number | null;
  readonly generation: number;
  readonly attempts: number;
  readonly deliveries: number;
  readonly eligible_at: number;
  /** Sum of this generation's back-off waits. */
  readonly waited_ms: number;
  readonly ended_at: number | null;
  readonly failure: ErrorCode | null;
  /** JSON of `Run[]` */
  readonly runs: string;
  /** JSON of the `InboundEvent` */
  readonly body: string;
  /** JSON of the latest `HeldReply` */
  readonly review: string | null;
  /** When it expires, while it waits for a person. */
  readonly review_until: number | null;
}

export function toRecord(row: EventRow): EventRecord {
  const { state, generation, attempts, eligibleAt, runs, failure, review } = progressOf(row);
  return {
    event: JSON.parse(row.body) as InboundEvent,
    state,
    generation,
    attempts,
    deliveries: row.deliveries,
    eligibleAt,
    runs,
    ...(failure !== null && { failure: { code: failure } }),
    ...(review !== null && { review }),
  };
}

export const progressOf = (row: EventRow): Progress => ({
  state: row.state,
  generation: row.generation,
  attempts: row.attempts,
  eligibleAt: row.eligible_at,
  waitedMs: row.waited_ms,
  runs: JSON.parse(row.runs) as Run[],
  failure: row.failure,
  review: row.review === null ? null : (JSON.parse(row.review) as HeldReply),
});

/** States from which an event never moves again: its retention starts when it enters one. */
const isFinal = (state: EventState): boolean => state === 'done' || state === 'ignored' || state === 'expired';

/** The row after a transition. An event that enters the queue needs a `place` of its own beside this. */
export const withProgress = (row: EventRow, progress: Progress, now: number): EventRow => ({
  ...row,
  state: progress.state,
  place: isInLine(progress.state) ? row.place : null,
  generation: progress.generation,
  attempts: progress.attempts,
  eligible_at: progress.eligibleAt,
  waited_ms: progress.waitedMs,
  // What stays in its state has ended when it did.
  ended_at: progress.state === row.state ? row.ended_at : isFinal(progress.state) ? now : null,
  failure: progress.failure,
  runs: JSON.stringify(progress.runs),
  review: progress.review === null ? null : JSON.stringify(progress.review),
  review_until: progress.state === 'review' ? (progress.review?.expiresAt ?? null) : null,
});
