import type { EventRecord } from '../core/event.ts';
import type { Transition } from './events.ts';

/** What is done with a held reply. `by` is the subject of the decider's token, `at` epoch ms. */
export type ReviewAction =
  | { readonly kind: 'approve'; readonly by: string; readonly at: number }
  | { readonly kind: 'reject'; readonly by: string; readonly at: number; readonly reason?: string }
  /** Another text under its own digest; everything else stays as it is. */
  | { readonly kind: 'edit'; readonly by: string; readonly text: string; readonly digest: string };

export type Reviewed =
  | Extract<Transition, { kind: 'ok' | 'not_found' | 'wrong_state' }>
  /** Another text is held than the one the digest names. Nothing was changed. */
  | { readonly kind: 'changed' }
  /** Its time is over: the event was parked (ERR_REVIEW_EXPIRED). */
  | { readonly kind: 'expired'; readonly record: EventRecord };

/** Replies that wait for a person. The waiting ones are `Events.list` of the state `review`. */
export interface Reviews {
  /**
   * Compares state, digest and expiry, and acts, in one atomic step. Approve: `review` → `queued` at the tail of its
   * conversation, age and attempts counted from now. Reject: `review` → `done`, its last run `rejected`.
   */
  decide(tenant: string, id: string, digest: string, action: ReviewAction): Promise<Reviewed>;
  /** Parks (ERR_REVIEW_EXPIRED) what nobody decided in time; workers do the same beside their work. */
  sweep(tenant: string): Promise<void>;
}
