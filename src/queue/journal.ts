import { isJsonObject, type JsonValue } from '../core/json.ts';
import type { HeldLease } from './lease.ts';

/** An effect is journalled before it is attempted and again once its outcome is known. */
export interface JournalEntry {
  /** `refused`: it certainly did not happen, so it may be tried again without asking. */
  readonly kind: 'intent' | 'result' | 'refused';
  readonly at: number;
  readonly value: JsonValue;
}

/** What makes a second attempt harmless. One entry a step; a later record of the same step replaces it. */
export interface Journal {
  /**
   * Records under the lease, and prolongs the lease to at least `holdMs` from now, so that no other worker can begin
   * before an effect that starts now has ended. False when the lease is lost: do not act.
   */
  record(lease: HeldLease, step: string, entry: Omit<JournalEntry, 'at'>, holdMs: number): Promise<boolean>;
  /** Every step of the event so far. */
  replay(lease: HeldLease): Promise<ReadonlyMap<string, JournalEntry>>;
}

/** The step for the one reply an event has; its value is `{ text }`. */
export const REPLY_STEP = 'reply';

/** What the journal says was posted or is about to be. */
export const replyTextOf = (step: string, entry: Pick<JournalEntry, 'value'> | undefined): string | undefined =>
  step === REPLY_STEP && isJsonObject(entry?.value) && typeof entry.value.text === 'string'
    ? entry.value.text
    : undefined;
