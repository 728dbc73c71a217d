import type { StoreParts } from '../store-parts.ts';
import type { EventRow } from '../tables/event-row.ts';

/** Applies `change` to an event in one transaction, then tells who waits for it or for work. */
export type ChangeEvent = <T extends { readonly kind: string }>(
  tenant: string,
  id: string,
  change: (row: EventRow) => T,
) => Promise<T | { readonly kind: 'not_found' }>;

export function createTransition({ writer, events, due, ended }: StoreParts): ChangeEvent {
  return async (tenant, id, change) => {
    const answer = await writer.write(() => {
      const row = events.get(tenant, id);
      return row === undefined ? ({ kind: 'not_found' } as const) : change(row);
    });
    ended.emit(id);
    due.emit();
    return answer;
  };
}

/** Puts an event at the tail of its conversation, its age and attempts counted from now. Inside a transaction. */
export function enqueue(row: EventRow, { counter, events, conversations, clock }: StoreParts): EventRow {
  const now = clock();
  const queued: EventRow = {
    ...row,
    state: 'queued',
    place: counter(),
    attempts: 0,
    waited_ms: 0,
    eligible_at: now,
    review_until: null,
  };
  events.save(queued);
  conversations.wakeIfIdle({ tenant: row.tenant, key: row.conversation }, now);
  return queued;
}
