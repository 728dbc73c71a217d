import type { ErrorCode } from '../../../core/errors.ts';
import type { EventRecord, EventState, HeldReply, InboundEvent, Run } from '../../../core/event.ts';

/** A row of `events`; schema.ts says what the columns mean. */
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

export const runsOf = (row: EventRow): readonly Run[] => JSON.parse(row.runs) as Run[];

export function toRecord(row: EventRow): EventRecord {
  return {
    event: JSON.parse(row.body) as InboundEvent,
    state: row.state,
    generation: row.generation,
    attempts: row.attempts,
    deliveries: row.deliveries,
    eligibleAt: row.eligible_at,
    runs: runsOf(row),
    ...(row.failure === null ? {} : { failure: { code: row.failure } }),
    ...(row.review === null ? {} : { review: JSON.parse(row.review) as HeldReply }),
  };
}

/** The row with its latest run replaced. */
export const withRun = (row: EventRow, run: Run): EventRow => ({
  ...row,
  runs: JSON.stringify([...runsOf(row).slice(0, -1), run]),
});

/** The row with a run that is still open ended as `outcome`; for runs whose worker will not report. */
export function closeRun(row: EventRow, outcome: 'lost' | 'parked', now: number): EventRow {
  const last = runsOf(row).at(-1);
  if (last?.outcome !== 'running') return row;
  return withRun(row, { ...last, outcome, finishedAt: now });
}

/** Out of the queue for good; retention counts from here. */
export const endedRow = (row: EventRow, state: 'done' | 'ignored' | 'expired', now: number): EventRow => ({
  ...row,
  state,
  place: null,
  review_until: null,
  ended_at: now,
});

/** Out of the queue until a person decides. */
export const parkedRow = (row: EventRow, code: ErrorCode): EventRow => ({
  ...row,
  state: 'parked',
  place: null,
  review_until: null,
  failure: code,
});

/** Out of the queue until a person decides about its reply. */
export const heldRow = (row: EventRow, review: HeldReply): EventRow => ({
  ...row,
  state: 'review',
  place: null,
  review: JSON.stringify(review),
  review_until: review.expiresAt,
});
