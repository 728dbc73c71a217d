import type { EventRecord } from '../../../core/event.ts';
import { unaskedNote } from '../../audit.ts';
import type { ConversationRef, HeldLease, Outcome, Taken } from '../../lease.ts';
import { claimHead, endAttempt, isInLine, MAX_SKIPPED, type Progress } from '../../model/transitions.ts';
import { createSeenTable } from '../ports/inbox.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, progressOf, toRecord, withProgress } from '../tables/event-table.ts';

/** Who may run a conversation's head, and what follows it. Every function runs inside a transaction. */
export interface Turns {
  take(conversation: ConversationRef): Taken;
  finish(lease: HeldLease, outcome: Outcome, more: boolean): Taken;
  /** For a conversation without a lease: a new wake if anything is left in it. */
  handOver(conversation: ConversationRef, now: number): Taken;
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

  /** The store parked it: no worker or person knows of it. */
  function tellAudit({ tenant, id, failure }: EventRow, now: number): void {
    audit.add(tenant, [unaskedNote(id, failure ?? 'ERR_INTERNAL', now)]);
  }

  /** Leases the first head that may run; the others are parked or expired on the way. */
  function takeHead(conversation: ConversationRef, now: number): Taken {
    for (let skipped = 0; skipped < MAX_SKIPPED; skipped += 1) {
      const row = events.head(conversation);
      if (row === undefined) break;
      const { kind, event } = claimHead(progressOf(row), limits, now);
      const next = withProgress(row, event, now);
      events.save(next);
      if (kind === 'run') return lease(conversation, next, now);
      if (next.state === 'parked') tellAudit(next, now);
    }
    return handOver(conversation, now);
  }

  function lease(conversation: ConversationRef, head: EventRow, now: number): Taken {
    const token = counter();
    conversations.lease(conversation, token, now + limits.leaseMs);
    const record = toRecord(head);
    if (record.event.seenUntil === 'start') seen.unmark(record.event);
    return { kind: 'head', record, lease: { conversation, eventId: head.id, token, run: record.runs.length } };
  }

  function finish(held: HeldLease, outcome: Outcome, more: boolean): Taken {
    const { conversation, token } = held;
    const row = conversations.get(conversation)?.token === token ? events.head(conversation) : undefined;
    if (row === undefined) return { kind: 'stale' };
    const now = clock();
    const { event, delayMs, isUnasked } = endAttempt(progressOf(row), outcome, isCalledBack(row, outcome), limits);
    const ended = withProgress(row, event, now);
    events.save(ended);
    if (isUnasked) tellAudit(ended, now);
    if (delayMs > 0) {
      const at = now + delayMs;
      conversations.free(conversation, at, at);
      return { kind: 'later', at };
    }
    return more ? takeHead(conversation, now) : handOver(conversation, now);
  }

  /** What is waited for was called back while the attempt still ran. */
  const isCalledBack = ({ tenant, id }: EventRow, outcome: Outcome): boolean =>
    outcome.kind === 'wait' && outcome.awaited !== undefined && recorded.get(tenant, id, outcome.awaited) !== undefined;

  function handOver(conversation: ConversationRef, now: number): Taken {
    if (events.head(conversation) === undefined) {
      conversations.forget(conversation);
      return { kind: 'empty' };
    }
    conversations.free(conversation, 0, now);
    return { kind: 'handed' };
  }

  return { take, finish, handOver };
}

/** The answer with the event's record in the place of what is stored. */
type Answer<Decision> = Decision extends { readonly event: Progress }
  ? Omit<Decision, 'event'> & { readonly record: EventRecord }
  : Decision;

/** Decides about an event and stores what follows in one transaction, then tells who waits for it or for work. */
type ChangeEvent = <Decision extends { readonly kind: string }>(
  tenant: string,
  id: string,
  decide: (event: Progress, now: number) => Decision,
) => Promise<Answer<Decision> | { readonly kind: 'not_found' }>;

export function createTransition(parts: StoreParts, turns: Turns): ChangeEvent {
  const { writer, counter, events, conversations, due, ended, clock } = parts;

  /** What an event that leaves its queue, or joins it at the tail, means for the conversation. */
  function store(row: EventRow, event: Progress, now: number): EventRow {
    const conversation = { tenant: row.tenant, key: row.conversation };
    const isNew = row.place === null && isInLine(event.state);
    const isGone = row.place !== null && !isInLine(event.state);
    const wasHead = isGone && events.head(conversation)?.seq === row.seq;
    const next = { ...withProgress(row, event, now), ...(isNew && { place: counter() }) };
    events.save(next);
    if (isNew) conversations.wakeIfIdle(conversation, now);
    // A worker that runs it loses its lease.
    if (wasHead) turns.handOver(conversation, now);
    return next;
  }

  return async (tenant, id, decide) => {
    const answer = await writer.write(() => {
      const row = events.get(tenant, id);
      if (row === undefined) return { kind: 'not_found' };
      const now = clock();
      const decision: { readonly kind: string; readonly event?: Progress } = decide(progressOf(row), now);
      if (decision.event === undefined) return decision;
      const { event, ...rest } = decision;
      return { ...rest, record: toRecord(store(row, event, now)) };
    });
    ended.emit(id);
    due.emit();
    return answer as Answer<ReturnType<typeof decide>> | { readonly kind: 'not_found' };
  };
}
