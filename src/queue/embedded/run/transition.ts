import type { EventRecord } from '../../../core/event.ts';
import { isInLine, type Progress } from '../../model/transitions.ts';
import type { StoreParts } from '../store-parts.ts';
import { type EventRow, progressOf, toRecord, withProgress } from '../tables/event-row.ts';
import type { Turns } from './turns.ts';

/** The answer with the event's record in the place of what is stored. */
type Answer<Decision> = Decision extends { readonly event: Progress }
  ? Omit<Decision, 'event'> & { readonly record: EventRecord }
  : Decision;

/** Decides about an event and stores what follows in one transaction, then tells who waits for it or for work. */
export type ChangeEvent = <Decision extends { readonly kind: string }>(
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
    const next = { ...withProgress(row, event, now), ...(isNew ? { place: counter() } : {}) };
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
