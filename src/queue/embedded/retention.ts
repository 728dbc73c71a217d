import type { StoreParts } from './store-parts.ts';

/** Rows removed by one transaction: about 5 ms, so that accepting never waits long behind it. */
const CHUNK = 200;

/** Makes the function that forgets ended events with their journal, and identities whose window has passed. */
export function createSweep({ connection, writer, limits, clock }: StoreParts): () => Promise<void> {
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
    while (writer.read(isDue)) await writer.write(forgetSome);
  };
}
