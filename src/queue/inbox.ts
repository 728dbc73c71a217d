import type { InboundEvent } from '../core/event.ts';

/** `id` names the event that holds the key: for a duplicate the original, for a conflict the recorded conflict. */
export type Accepted =
  | { readonly outcome: 'accepted'; readonly id: string }
  | { readonly outcome: 'duplicate'; readonly id: string }
  | { readonly outcome: 'conflict'; readonly id: string }
  | { readonly outcome: 'full' }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** Events of one tenant, and characters of their JSON, that one call of `accept` takes in one atomic step. */
export const ONE_STEP = { events: 24, size: 1_048_576 } as const;

/** The inner door. */
export interface Inbox {
  /**
   * Accepts each event once, in one atomic step per event: mark seen, record, append to its conversation, wake it. A call
   * within `ONE_STEP` is one step as a whole: once an event finds no room, no later one of it does. Resolves only when that is durable. `full` (too many wait) and `limited` (too many
   * came lately over this channel) mark nothing, so the sender's retry is accepted later. Duplicates do not count.
   * @throws SallyportError ERR_STORE_UNAVAILABLE within 2 s when the store is down, hangs or lacks replicas.
   */
  accept(events: readonly InboundEvent[]): Promise<Accepted[]>;
}
