import { isJsonObject, type JsonValue } from '../core/json/json-text.ts';
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
   * @throws SallyportError ERR_STORE_UNAVAILABLE; ERR_REPLICAS_MISSING for an intent that too few replicas have: do not act
   */
  record(lease: HeldLease, step: string, entry: Omit<JournalEntry, 'at'>, holdMs: number): Promise<boolean>;
  /** Every step of the event so far. */
  replay(lease: HeldLease): Promise<ReadonlyMap<string, JournalEntry>>;
  /** The clock that stamps `JournalEntry.at`, in epoch ms: the only one that tells how old an entry is. */
  now(lease: HeldLease): Promise<number>;
}

/**
 * The step for the one reply an event has; its value is `{ text }`. A reply in several messages has a step for each,
 * `reply:2` and so on after this one, and each but the last says `{ more: true }`.
 */
export const REPLY_STEP = 'reply';

/** The step for who wrote the event, where its channel's reader found it out; its value is an `Author`. */
export const ASKER_STEP = 'asker';

/** The step for what was asked, which the conversation's memory is made of; its value has the `author`'s id. */
export const TURN_STEP = 'turn';

/** Whether messages follow that belong to the same reply: it is not delivered before they are. */
export const hasMore = (entry: Pick<JournalEntry, 'value'> | undefined): boolean =>
  isJsonObject(entry?.value) && entry.value.more === true;

/** What the journal says was posted or is about to be. */
export const replyTextOf = (step: string, entry: Pick<JournalEntry, 'value'> | undefined): string | undefined =>
  step === REPLY_STEP && isJsonObject(entry?.value) && typeof entry.value.text === 'string'
    ? entry.value.text
    : undefined;
