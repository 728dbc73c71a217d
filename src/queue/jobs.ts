import type { EventRecord, EventState } from '../core/event.ts';
import type { ConversationRef } from './lease.ts';

export interface ConsumeOptions {
  /** Conversations run at the same time by this process. */
  readonly concurrency: number;
  /** Runs heads of the conversation until told to stop. A rejection leaves the conversation to the sweep. */
  readonly run: (conversation: ConversationRef) => Promise<void>;
}

export interface Consumer {
  /**
   * Conversations that wait to be taken while this process has room for them; 0 when it is full. Where they wait and
   * none is taken, it does not consume. @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  untaken(): Promise<number>;
  /** Takes no more work and resolves when what runs has ended, at the latest after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface QueueStats {
  readonly states: Readonly<Partial<Record<EventState, number>>>;
  /** Age in ms of the oldest event that waits for its first attempt; 0 when none does. */
  readonly oldestMs: number;
  /** Used share of the store's memory limit, 0 to 1; absent where there is no limit. */
  readonly memoryRatio?: number;
}

/** Hands due conversations to workers: relay, executor and sweep behind one door. */
export interface Jobs {
  consume(options: ConsumeOptions): Consumer;
  stats(): Promise<QueueStats>;
  /**
   * Resolves with the record once nothing more happens by itself (done, ignored, parked, expired, conflict, review), or null after
   * `timeoutMs`. A held reply is in the record: nobody may be shown it.
   */
  awaitResult(tenant: string, id: string, timeoutMs: number): Promise<EventRecord | null>;
}
