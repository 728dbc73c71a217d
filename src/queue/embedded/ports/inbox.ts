import type { InboundEvent } from '../../../core/event.ts';
import type { Accepted, Inbox } from '../../inbox.ts';
import { bucketEmptyFor, takeFromBucket } from '../../model/bucket.ts';
import type { Connection } from '../file/connection.ts';
import type { StoreParts } from '../store-parts.ts';

/** The inner door: each event's mark, record, place in line and wake are written by one transaction. */
export function createInbox(parts: StoreParts): Inbox {
  const { connection, writer, counter, events, conversations, due, limits, clock } = parts;
  const seen = createSeenTable(connection);
  const waiting = connection.query<{ events: number }>(
    `SELECT coalesce(sum(events), 0) AS events FROM tallies
     WHERE tenant = ? AND state IN ('queued', 'running', 'waiting')`,
  );

  const bucket = connection.query<{ full_at: number }>(
    'SELECT full_at FROM channel_rates WHERE tenant = ? AND channel = ?',
  );
  const fillBucket = connection.query('INSERT OR REPLACE INTO channel_rates VALUES (?, ?, ?)');

  function acceptOne(event: InboundEvent): Accepted {
    const again = answerAgain(event);
    if (again !== null) return again;
    const now = clock();
    const marks = seen.of(event, now);
    const original = marks.find((mark) => mark.original === 1);
    if (original === undefined) return acceptFirst(event, now);
    if (original.fingerprint === event.identity.fingerprint) return acceptAgain(event, original);
    const known = marks.find((mark) => mark.fingerprint === event.identity.fingerprint);
    return known === undefined ? acceptConflict(event, original, now) : acceptConflictAgain(event, known);
  }

  /** The same delivery again, because its command was sent twice: its own record tells, whatever became of its mark. */
  function answerAgain(event: InboundEvent): Accepted | null {
    const row = events.get(event.tenant, event.id);
    if (row === undefined) return null;
    if ((JSON.parse(row.body) as InboundEvent).identity.key !== event.identity.key) return null;
    return { outcome: row.state === 'conflict' ? 'conflict' : 'accepted', id: row.id };
  }

  function acceptFirst(event: InboundEvent, now: number): Accepted {
    // Before anything is marked: a refused event must look new when its sender tries again.
    if ((waiting.get(event.tenant)?.events ?? 0) >= limits.queueCap) return { outcome: 'full' };
    const { tenant, channel } = event;
    const fullAt = bucket.get(tenant, channel)?.full_at ?? now;
    const next = takeFromBucket(fullAt, limits.channelRate, now);
    if (next === null) return { outcome: 'limited', retryAfterMs: bucketEmptyFor(fullAt, limits.channelRate, now) };
    fillBucket.run(tenant, channel, next);
    seen.mark(event, true, now + event.windowMs);
    events.insert(event, { place: counter() });
    conversations.wakeIfIdle({ tenant: event.tenant, key: event.conversation.key }, now);
    return { outcome: 'accepted', id: event.id };
  }

  function acceptAgain(event: InboundEvent, original: Mark): Accepted {
    const row = events.get(event.tenant, original.event_id);
    if (row !== undefined) {
      events.save({ ...row, deliveries: row.deliveries + 1 });
      if (event.mentioned && row.state === 'queued') {
        events.saveBody(row, { ...(JSON.parse(row.body) as InboundEvent), mentioned: true });
      }
    }
    return { outcome: 'duplicate', id: original.event_id };
  }

  function acceptConflict(event: InboundEvent, original: Mark, now: number): Accepted {
    seen.mark(event, false, original.expires_at);
    events.insert(event, { endedAt: now });
    return { outcome: 'conflict', id: event.id };
  }

  function acceptConflictAgain(event: InboundEvent, known: Mark): Accepted {
    const row = events.get(event.tenant, known.event_id);
    if (row !== undefined) events.save({ ...row, deliveries: row.deliveries + 1 });
    return { outcome: 'conflict', id: known.event_id };
  }

  return {
    async accept(batch) {
      if (batch.length === 0) return [];
      const answers = await writer.write(() => batch.map(acceptOne));
      due.emit();
      return answers;
    },
  };
}

/** What is remembered of one content under an identity key. */
interface Mark {
  readonly fingerprint: string;
  /** 1 for the content that was accepted, 0 for one that contradicts it. */
  readonly original: 0 | 1;
  readonly event_id: string;
  readonly expires_at: number;
}

interface SeenTable {
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
