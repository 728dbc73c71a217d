import type { InboundEvent } from '../../../core/event.ts';
import type { Connection } from '../file/connection.ts';

/** What is remembered of one content under an identity key. */
export interface Mark {
  readonly fingerprint: string;
  /** 1 for the content that was accepted, 0 for one that contradicts it. */
  readonly original: 0 | 1;
  readonly event_id: string;
  readonly expires_at: number;
}

export interface SeenTable {
  /** The marks of the event's key whose window is open; those that ran out are forgotten. */
  of(event: InboundEvent, now: number): readonly Mark[];
  mark(event: InboundEvent, original: boolean, expiresAt: number): void;
  /** Forgets the event's key, contradictions included, unless a later event holds it by now. */
  unmark(event: InboundEvent): void;
}

export function createSeenTable(connection: Connection): SeenTable {
  const of = connection.query<Mark>(
    'SELECT fingerprint, original, event_id, expires_at FROM seen WHERE tenant = ? AND key = ?',
  );
  const forget = connection.query('DELETE FROM seen WHERE tenant = ? AND key = ? AND expires_at <= ?');
  const holder = connection.query<{ event_id: string }>(
    'SELECT event_id FROM seen WHERE tenant = ? AND key = ? AND original = 1',
  );
  const forgetAll = connection.query('DELETE FROM seen WHERE tenant = ? AND key = ?');
  const mark = connection.query('INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)');
  return {
    of({ tenant, identity }, now) {
      const marks = of.all(tenant, identity.key);
      const open = marks.filter((each) => each.expires_at > now);
      if (open.length < marks.length) forget.run(tenant, identity.key, now);
      return open;
    },
    mark: ({ tenant, identity, id }, original, expiresAt) =>
      void mark.run(tenant, identity.key, identity.fingerprint, original ? 1 : 0, id, expiresAt),
    unmark({ tenant, identity, id }) {
      if (holder.get(tenant, identity.key)?.event_id === id) forgetAll.run(tenant, identity.key);
    },
  };
}
