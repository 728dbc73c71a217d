import { eventIdsFrom } from '../../../core/identity.ts';
import { createAuditTrim } from '../ports/audit.ts';
import { createReviewSweep } from '../ports/reviews.ts';
import type { StoreParts } from '../store-parts.ts';

interface Ended {
  readonly seq: number;
  readonly tenant: string;
  readonly id: string;
}

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
  const own = limits.retentionMsOf ?? new Map<string, number>();
  const ended = connection.query<Ended>(
    `SELECT seq, tenant, id FROM events WHERE ended_at <= ?
       AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY ended_at LIMIT ${CHUNK}`,
  );
  // What ended before a time was accepted before it, and ids begin with when that was.
  const endedOf = connection.query<Ended>(
    `SELECT seq, tenant, id FROM events WHERE tenant = ? AND id < ? AND ended_at <= ? ORDER BY id LIMIT ${CHUNK}`,
  );
  const others = JSON.stringify([...own.keys()]);
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

  /** The next few of all tenants, or of one tenant with a time of its own. */
  function endedEvents(): readonly Ended[] {
    const now = clock();
    for (const [tenant, keptMs] of own) {
      const found = endedOf.all(tenant, eventIdsFrom(now - keptMs + 1), now - keptMs);
      if (found.length > 0) return found;
    }
    return ended.all(now - limits.retentionMs, others);
  }

  function forgetSome(): void {
    for (const { seq, tenant, id } of endedEvents()) {
      forgetJournal.run(tenant, id);
      forgetEvent.run(seq);
    }
    forgetSeen.run(clock());
  }

  const isDue = (): boolean => hasExpired.get(clock()) !== undefined || endedEvents().length > 0;

  return async () => {
    const now = clock();
    const isStranded = writer.read(() => isFarAhead.get(now + farAheadMs)) !== undefined;
    if (isStranded) await writer.write(() => wakeFarAhead.run(now, now + farAheadMs));
    await sweepReviews();
    while (writer.read(isDue)) await writer.write(forgetSome);
    await trimAudit();
  };
}
