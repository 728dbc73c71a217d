import { noUsage, type Run } from '../../../core/event.ts';
import { unaskedNote } from '../../audit.ts';
import type { ConversationRef } from '../../conversation-ref.ts';
import type { HeldLease, Outcome, Taken } from '../../lease.ts';
import type { StoreParts } from '../store-parts.ts';
import {
  closeRun,
  type EventRow,
  endedRow,
  heldRow,
  parkedRow,
  runsOf,
  toRecord,
  withRun,
} from '../tables/event-row.ts';
import { createSeenTable } from '../tables/seen-table.ts';

/** Who may run a conversation's head, and what follows it. Every function runs inside a transaction. */
export interface Turns {
  take(conversation: ConversationRef): Taken;
  finish(lease: HeldLease, outcome: Outcome, more: boolean): Taken;
  /** Takes the row out of its queue as it is given; if it was the head, ends its lease and wakes the next. */
  remove(row: EventRow, as: EventRow): void;
}

export function createTurns(parts: StoreParts): Turns {
  const { connection, counter, events, conversations, audit, limits, clock } = parts;
  const seen = createSeenTable(connection);
  const recorded = connection.query('SELECT 1 FROM journal WHERE tenant = ? AND event_id = ? AND step = ?');

  function take(conversation: ConversationRef): Taken {
    const row = conversations.get(conversation);
    if (row === undefined) return { kind: 'empty' };
    const now = clock();
    const [kind, at] =
      row.lease_until > now ? (['held', row.lease_until] as const) : (['later', row.not_before] as const);
    if (at <= now) return takeHead(conversation, now);
    conversations.wakeAt(conversation, at);
    return { kind, at };
  }

  /** What is parked here nobody else knows of. */
  function tellAudit({ tenant, id, failure }: EventRow, now: number): void {
    audit.add(tenant, [unaskedNote(id, failure ?? 'ERR_INTERNAL', now)]);
  }

  /** Leases the first head that is fit to run; the others are parked or expired on the way. */
  function takeHead(conversation: ConversationRef, now: number): Taken {
    for (;;) {
      const row = events.head(conversation);
      if (row === undefined) {
        conversations.forget(conversation);
        return { kind: 'empty' };
      }
      const head = closeRun(row, 'lost', now);
      const unfit = unfitRow(head, now);
      if (unfit === null) return lease(conversation, head, now);
      events.save(unfit);
      if (unfit.state === 'parked') tellAudit(unfit, now);
    }
  }

  function unfitRow(row: EventRow, now: number): EventRow | null {
    if (now - row.eligible_at > limits.maxAgeMs) return endedRow(row, 'expired', now);
    if (row.attempts >= limits.maxAttempts) return parkedRow(row, 'ERR_ATTEMPTS_EXHAUSTED');
    return null;
  }

  function lease(conversation: ConversationRef, head: EventRow, now: number): Taken {
    const runs: readonly Run[] = [...runsOf(head), { startedAt: now, outcome: 'running', usage: noUsage }];
    const row: EventRow = { ...head, state: 'running', attempts: head.attempts + 1, runs: JSON.stringify(runs) };
    const token = counter();
    events.save(row);
    conversations.lease(conversation, token, now + limits.leaseMs);
    const record = toRecord(row);
    if (record.event.seenUntil === 'start') seen.unmark(record.event);
    return { kind: 'head', record, lease: { conversation, eventId: row.id, token, run: runs.length } };
  }

  function finish(held: HeldLease, outcome: Outcome, more: boolean): Taken {
    const { conversation, token } = held;
    const row = conversations.get(conversation)?.token === token ? events.head(conversation) : undefined;
    if (row === undefined) return { kind: 'stale' };
    const now = clock();
    const ended = rowAfter(withRun(row, outcome.run), outcome, now);
    events.save(ended);
    if (ended.state === 'parked' && outcome.kind === 'retry') tellAudit(ended, now);
    if (ended.state === 'waiting' && 'delayMs' in outcome && !isThere(row, outcome)) {
      const at = now + outcome.delayMs;
      conversations.free(conversation, at, at);
      return { kind: 'later', at };
    }
    return more ? takeHead(conversation, now) : handOver(conversation, now);
  }

  /** What is waited for was called back while the attempt still ran. */
  const isThere = ({ tenant, id }: EventRow, outcome: Outcome): boolean =>
    outcome.kind === 'wait' && outcome.awaited !== undefined && recorded.get(tenant, id, outcome.awaited) !== undefined;

  function handOver(conversation: ConversationRef, now: number): Taken {
    if (events.head(conversation) === undefined) {
      conversations.forget(conversation);
      return { kind: 'empty' };
    }
    conversations.free(conversation, 0, now);
    return { kind: 'handed' };
  }

  /** What an attempt's outcome makes of its event. */
  function rowAfter(row: EventRow, outcome: Outcome, now: number): EventRow {
    switch (outcome.kind) {
      case 'done':
      case 'ignored':
        return endedRow(row, outcome.kind, now);
      case 'parked':
        return parkedRow(row, outcome.code);
      case 'review':
        return heldRow(row, outcome.review);
      case 'released':
        return { ...row, state: 'queued', attempts: row.attempts - 1 };
      case 'wait':
        return { ...row, state: 'waiting', attempts: row.attempts - 1 };
      case 'retry': {
        const waited = row.waited_ms + outcome.delayMs;
        if (row.attempts >= limits.maxAttempts) return parkedRow(row, 'ERR_ATTEMPTS_EXHAUSTED');
        if (waited > limits.maxBackoffMs) return parkedRow(row, 'ERR_BACKOFF_EXHAUSTED');
        return { ...row, state: 'waiting', waited_ms: waited };
      }
    }
  }

  function remove(row: EventRow, as: EventRow): void {
    const conversation = { tenant: row.tenant, key: row.conversation };
    const wasHead = events.head(conversation)?.seq === row.seq;
    events.save(as);
    if (wasHead) handOver(conversation, clock());
  }

  return { take, finish, remove };
}
