import type { ErrorCode } from '../core/errors.ts';
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
  /** Conversations whose time has come and that no worker has been given. */
  readonly due: number;
  /**
   * Time in ms since the first of them came due; 0 when none is. On Redis without those whose wake a relay has still to
   * fetch: these count as due and have no time of their own.
   */
  readonly dueMs: number;
  /** Events that the store parked by itself and that are not in the audit yet. */
  readonly auditPending: number;
}

/** Events that `Jobs.parked` reads at most: about 10 ms of Redis or of the process, in parts. */
export const PARKED_AT_MOST = 10_000;

/** Parked events of all tenants by the reason. */
export interface ParkedEvents {
  readonly byCode: ReadonlyMap<ErrorCode, number>;
  /** Events beyond those that were read. */
  readonly uncounted: number;
}

/** Hands due conversations to workers: relay, executor and sweep behind one door. */
export interface Jobs {
  consume(options: ConsumeOptions): Consumer;
  stats(): Promise<QueueStats>;
  /** Reads up to `atMost` events (default `PARKED_AT_MOST`): ask seldom. @throws SallyportError ERR_STORE_UNAVAILABLE */
  parked(atMost?: number): Promise<ParkedEvents>;
  /**
   * Resolves with the record once nothing more happens by itself (done, ignored, parked, expired, conflict, review), or null after
   * `timeoutMs`. A held reply is in the record: nobody may be shown it.
   */
  awaitResult(tenant: string, id: string, timeoutMs: number): Promise<EventRecord | null>;
}
