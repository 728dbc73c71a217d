import { createAuditTrim } from '../ports/audit.ts';
import { createReviewSweep } from '../ports/reviews.ts';
import type { StoreParts } from '../store-parts.ts';

/** Rows removed by one transaction: about 5 ms, so that accepting never waits long behind it. */
const CHUNK = 200;

/**
 * Makes what workers do beside their work: forgetting ended events with their journal, identities whose window has
 * passed and old entries of the audit, parking reviews nobody decided, and waking what a clock that was set back would leave asleep.
 */
export function createSweep(parts: StoreParts): () => Promise<void> {
  const { connection, writer, limits, clock } = parts;
  const sweepReviews = createReviewSweep(parts);
  const trimAudit = createAuditTrim(parts);
  const ended = connection.query<{ seq: number; tenant: string; id: string }>(
    `SELECT seq, tenant, id FROM events WHERE ended_at <= ? ORDER BY ended_at LIMIT ${CHUNK}`,
  );
  const forgetEvent = connection.query('DELETE FROM events WHERE seq = ?');
  const forgetJournal = connection.query('DELETE FROM journal WHERE tenant = ? AND event_id = ?');
  const hasExpired = connection.query('SELECT 1 FROM seen WHERE expires_at <= ? LIMIT 1');
  const forgetSeen = connection.query(
    `DELETE FROM seen WHERE (tenant, key, fingerprint) IN
       (SELECT tenant, key, fingerprint FROM seen WHERE expires_at <= ? ORDER BY expires_at LIMIT ${CHUNK})`,
  );

  /** Twice what the rules add at most when they set a wake. One too many is harmless: the lease and the back-off decide. */
  const farAheadMs = 2 * Math.max(limits.leaseMs, limits.rewakeMs, limits.maxBackoffMs);
  const isFarAhead = connection.query('SELECT 1 FROM conversations WHERE wake_at > ? LIMIT 1');
  const wakeFarAhead = connection.query('UPDATE conversations SET wake_at = ? WHERE wake_at > ?');

  function forgetSome(): void {
    for (const { seq, tenant, id } of ended.all(clock() - limits.retentionMs)) {
      forgetJournal.run(tenant, id);
      forgetEvent.run(seq);
    }
    forgetSeen.run(clock());
  }

  const isDue = (): boolean =>
    hasExpired.get(clock()) !== undefined || ended.get(clock() - limits.retentionMs) !== undefined;

  return async () => {
    const now = clock();
    const isStranded = writer.read(() => isFarAhead.get(now + farAheadMs)) !== undefined;
    if (isStranded) await writer.write(() => wakeFarAhead.run(now, now + farAheadMs));
    await sweepReviews();
    while (writer.read(isDue)) await writer.write(forgetSome);
    await trimAudit();
  };
}
