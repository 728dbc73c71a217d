import type { Usage } from '../../../core/event.ts';

export interface HttpAgentSettings {
  /** Bounded word for metrics; part of the runs it may call back to. */
  readonly name: string;
  readonly url: string;
  /** The first and its successors: requests carry a signature of each, callbacks may carry any. */
  readonly keys: readonly Uint8Array[];
  /** For its answer to a request, in ms. */
  readonly timeoutMs: number;
  /** For its callback after a 202, in ms. */
  readonly callbackTimeoutMs: number;
  /** What one run may use, reserved before the request. */
  readonly reserve: Usage;
  /** Of this installation; absent: the agent has to know where callbacks go. */
  readonly publicUrl: string | undefined;
}
