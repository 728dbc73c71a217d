import type { ConversationRef, HeldLease } from '../../lease.ts';
import type { Connection } from '../file/connection.ts';

/** A conversation with something in its queue. */
interface ConversationRow {
  /** The head is in back-off until then. */
  readonly not_before: number;
  /** Of the latest lease; 0 when nobody may end it any more. */
  readonly token: number;
  readonly lease_until: number;
}

/** The statements over `conversations`. Each leaves exactly one wake. */
export interface ConversationTable {
  get(conversation: ConversationRef): ConversationRow | undefined;
  /** Wakes it now unless it is known already: then its wake is due when it should be. */
  wakeIfIdle(conversation: ConversationRef, now: number): void;
  /** Leaves one wake due then and everything else as it is. */
  wakeAt(conversation: ConversationRef, at: number): void;
  lease(conversation: ConversationRef, token: number, until: number): void;
  /** Prolongs the lease to at least `until`; false when its token is no longer the conversation's. */
  hold(lease: HeldLease, until: number): boolean;
  /** Nobody holds it, and nobody may before `notBefore` (0: at once); woken at `at`. */
  free(conversation: ConversationRef, notBefore: number, at: number): void;
  forget(conversation: ConversationRef): void;
}

export function createConversationTable(connection: Connection): ConversationTable {
  const where = 'WHERE tenant = ? AND key = ?';
  const get = connection.query<ConversationRow>(`SELECT not_before, token, lease_until FROM conversations ${where}`);
  const create = connection.query('INSERT OR IGNORE INTO conversations (tenant, key, wake_at) VALUES (?, ?, ?)');
  const wake = connection.query(`UPDATE conversations SET wake_at = ? ${where}`);
  const lease = connection.query(
    `UPDATE conversations SET token = ?, lease_until = ?, wake_at = ?, not_before = 0 ${where}`,
  );
  const hold = connection.query(
    `UPDATE conversations SET lease_until = max(lease_until, ?), wake_at = max(lease_until, ?) ${where} AND token = ?`,
  );
  const free = connection.query(
    `UPDATE conversations SET token = 0, lease_until = 0, not_before = ?, wake_at = ? ${where}`,
  );
  const forget = connection.query(`DELETE FROM conversations ${where}`);
  return {
    get: ({ tenant, key }) => get.get(tenant, key),
    wakeIfIdle: ({ tenant, key }, now) => void create.run(tenant, key, now),
    wakeAt: ({ tenant, key }, at) => void wake.run(at, tenant, key),
    // A worker that dies is found when its lease runs out: the wake is due then.
    lease: ({ tenant, key }, token, until) => void lease.run(token, until, until, tenant, key),
    hold: ({ conversation: { tenant, key }, token }, until) => hold.run(until, until, tenant, key, token) > 0,
    free: ({ tenant, key }, notBefore, at) => void free.run(notBefore, at, tenant, key),
    forget: ({ tenant, key }) => void forget.run(tenant, key),
  };
}
