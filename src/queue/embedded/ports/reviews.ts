import { unaskedNote } from '../../audit.ts';
import { decideReview, expiredReview } from '../../model/transitions.ts';
import type { Reviews } from '../../reviews.ts';
import { createTransition, type Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, progressOf, withProgress } from '../tables/event-table.ts';

export function createReviews(parts: StoreParts, turns: Turns): Reviews {
  const change = createTransition(parts, turns);
  const sweep = createReviewSweep(parts);
  return {
    decide: (tenant, id, digest, action) =>
      change(tenant, id, (event, now) => {
        const decision = decideReview(event, digest, action, now);
        if (decision.kind === 'expired') parts.audit.add(tenant, [unaskedNote(id, 'ERR_REVIEW_EXPIRED', now)]);
        return decision;
      }),
    sweep: () => sweep(),
  };
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
      events.save(withProgress(row, expiredReview(progressOf(row)), now));
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
