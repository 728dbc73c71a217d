import type { ConversationRef } from '../../conversation-ref.ts';
import type { StoreParts } from '../store-parts.ts';

/** Finds due conversations and hands each to one worker. */
export interface Wakes {
  /** Up to `room` due conversations, one tenant after the other, each now this caller's to run. */
  claim(room: number): Promise<ConversationRef[]>;
  /** Gives back what was claimed and not begun. */
  giveBack(conversations: readonly ConversationRef[]): Promise<void>;
}

/** Every tenant that has conversations, found by one seek of the index each, however long their queues are. */
const TENANTS = `
  WITH RECURSIVE known (tenant) AS (
    SELECT min(tenant) FROM conversations
    UNION ALL
    SELECT (SELECT min(tenant) FROM conversations WHERE tenant > known.tenant) FROM known WHERE known.tenant IS NOT NULL
  )
  SELECT tenant FROM known WHERE tenant IS NOT NULL`;

export function createWakes({ connection, writer, conversations, due, limits, clock }: StoreParts): Wakes {
  const isDue = connection.query('SELECT 1 FROM conversations WHERE wake_at <= ? LIMIT 1');
  const tenants = connection.query<{ tenant: string }>(TENANTS);
  const next = connection.query<{ key: string }>(
    'SELECT key FROM conversations WHERE tenant = ? AND wake_at <= ? ORDER BY wake_at LIMIT 1',
  );
  /** Who was served last; the next round begins behind it, so that a quiet tenant waits for one turn of the others. */
  let lastServed = '';

  /** A wake that was handed over comes due again by itself unless taking the conversation replaces it. */
  function claimNext(tenant: string, now: number): ConversationRef | null {
    const row = next.get(tenant, now);
    if (row === undefined) return null;
    const conversation = { tenant, key: row.key };
    conversations.wakeAt(conversation, now + limits.rewakeMs);
    lastServed = tenant;
    return conversation;
  }

  function claimRound(room: number): ConversationRef[] {
    const now = clock();
    const known = tenants.all().map(({ tenant }) => tenant);
    const behind = known.filter((tenant) => tenant > lastServed);
    let ring = [...behind, ...known.slice(0, known.length - behind.length)];
    const claimed: ConversationRef[] = [];
    while (ring.length > 0 && claimed.length < room) {
      ring = ring.filter((tenant) => {
        if (claimed.length === room) return true;
        const conversation = claimNext(tenant, now);
        if (conversation !== null) claimed.push(conversation);
        return conversation !== null;
      });
    }
    return claimed;
  }

  return {
    async claim(room) {
      // Looking costs no transaction: an idle process leaves the disk alone.
      if (writer.read(() => isDue.get(clock())) === undefined) return [];
      return writer.write(() => claimRound(room));
    },
    async giveBack(claimed) {
      await writer.write(() => {
        for (const conversation of claimed) conversations.wakeAt(conversation, clock());
      });
      due.emit();
    },
  };
}
