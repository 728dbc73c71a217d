import type { ErrorCode } from '../core/errors.ts';
import type { EventRecord, HeldReply, Run } from '../core/event.ts';

/** The right to run a conversation's head. `token` only ever grows, so a frozen worker's lease can never match again. */
export interface HeldLease {
  readonly conversation: ConversationRef;
  readonly eventId: string;
  readonly token: number;
  /** Number of this run within the event, from 1, over all generations. */
  readonly run: number;
}

export type Taken =
  | { readonly kind: 'head'; readonly record: EventRecord; readonly lease: HeldLease }
  /** Nothing queued: the conversation is forgotten. */
  | { readonly kind: 'empty' }
  /** Another worker has it, or its head waits: one wake is due at `at` (epoch ms, the store's clock). */
  | { readonly kind: 'held' | 'later'; readonly at: number }
  /** The rest went to a new wake: the caller wants no more, or many heads were ended without a run. */
  | { readonly kind: 'handed' }
  /** The token is no longer the conversation's: nothing was changed. Only `finish` answers this. */
  | { readonly kind: 'stale' };

/** How an attempt ended. `run` is recorded with it. */
export type Outcome =
  | { readonly kind: 'done'; readonly run: Run }
  | { readonly kind: 'ignored'; readonly run: Run }
  | { readonly kind: 'parked'; readonly run: Run; readonly code: ErrorCode }
  /** A person decides about the reply first (`Reviews`). The head leaves its conversation, so that followers go on. */
  | { readonly kind: 'review'; readonly run: Run; readonly review: HeldReply }
  /**
   * Try again in `delayMs`. The store parks instead (ERR_BACKOFF_EXHAUSTED) when the head's waits would pass 60 s in
   * total, and (ERR_ATTEMPTS_EXHAUSTED) when this was the last attempt.
   */
  | { readonly kind: 'retry'; readonly run: Run; readonly code: ErrorCode; readonly delayMs: number }
  /**
   * Nothing to do for `delayMs`, or before what is `awaited` is called back (`Callbacks.accept`): a step of the journal;
   * run again at once if that is there already. Neither an attempt nor back-off.
   */
  | { readonly kind: 'wait'; readonly run: Run; readonly awaited?: string; readonly delayMs: number }
  /** Orderly shutdown: the attempt does not count and the event is queued again at once. */
  | { readonly kind: 'released'; readonly run: Run };

export interface Lease {
  /** Takes the conversation's head. Counts the attempt; parks a head that has used its attempts, expires one too old. */
  take(conversation: ConversationRef): Promise<Taken>;
  /** Prolongs the lease by the store's lease time. False when it is lost: stop, and send nothing. */
  extend(lease: HeldLease): Promise<boolean>;
  /** Ends the attempt and, with `more`, takes the next head in the same step. */
  finish(lease: HeldLease, outcome: Outcome, more: boolean): Promise<Taken>;
  /** A named lease for whoever leads something (a mailbox, the keeper). Null when another holds it. */
  acquire(name: string, ttlMs: number): Promise<NamedLease | null>;
}

export interface NamedLease {
  /** False when it is lost. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** Names one conversation to a store. The tenant travels along because it decides the shard. */
export interface ConversationRef {
  readonly tenant: string;
  /** `Conversation.key` */
  readonly key: string;
}
