import type { HeldReply } from '../../../core/event.ts';
import { unaskedNote } from '../../audit.ts';
import { afterAction, rejectedRun } from '../../model/after-review.ts';
import type { ReviewAction, Reviewed, Reviews } from '../../reviews.ts';
import { createTransition, enqueue } from '../run/transition.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, endedRow, parkedRow, runsOf, toRecord, withRun } from '../tables/event-row.ts';

export function createReviews(parts: StoreParts): Reviews {
  const transition = createTransition(parts);
  const sweep = createReviewSweep(parts);
  return {
    decide: (tenant, id, digest, action) => transition(tenant, id, (row) => decide(row, digest, action, parts)),
    sweep: () => sweep(),
  };
}

function decide(row: EventRow, digest: string, action: ReviewAction, parts: StoreParts): Reviewed {
  if (row.state !== 'review' || row.review === null) return { kind: 'wrong_state', state: row.state };
  const held = JSON.parse(row.review) as HeldReply;
  const now = parts.clock();
  if (now >= held.expiresAt) {
    const parked = parkedRow(row, 'ERR_REVIEW_EXPIRED');
    parts.events.save(parked);
    parts.audit.add(row.tenant, [unaskedNote(row.id, 'ERR_REVIEW_EXPIRED', now)]);
    return { kind: 'expired', record: toRecord(parked) };
  }
  if (held.digest !== digest) return { kind: 'changed' };
  const changed: EventRow = { ...row, review: JSON.stringify(afterAction(held, action)) };
  if (action.kind === 'approve') return { kind: 'ok', record: toRecord(enqueue(changed, parts)) };
  const saved = action.kind === 'reject' ? rejectedRow(changed, now) : changed;
  parts.events.save(saved);
  return { kind: 'ok', record: toRecord(saved) };
}

function rejectedRow(row: EventRow, now: number): EventRow {
  const last = runsOf(row).at(-1);
  return endedRow(last === undefined ? row : withRun(row, rejectedRun(last)), 'done', now);
}

/** Rows parked by one transaction: about 5 ms, so that accepting never waits long behind it. */
const CHUNK = 200;

/** Parks what nobody decided about in time. */
export function createReviewSweep(parts: StoreParts): () => Promise<void> {
  const { connection, writer, events, audit, ended, clock, logger } = parts;
  const over = connection.query<EventRow>(
    `SELECT * FROM events WHERE review_until <= ? ORDER BY review_until LIMIT ${CHUNK}`,
  );
  const isOver = connection.query('SELECT 1 FROM events WHERE review_until <= ? LIMIT 1');
  const parkSome = (): string[] => {
    const now = clock();
    const rows = over.all(now);
    for (const row of rows) {
      events.save(parkedRow(row, 'ERR_REVIEW_EXPIRED'));
      audit.add(row.tenant, [unaskedNote(row.id, 'ERR_REVIEW_EXPIRED', now)]);
    }
    return rows.map(({ id }) => id);
  };
  return async () => {
    while (writer.read(() => isOver.get(clock())) !== undefined) {
      const ids = await writer.write(parkSome);
      if (ids.length > 0) logger.warn({ events: ids.length }, 'review.expired');
      for (const id of ids) ended.emit(id);
    }
  };
}
