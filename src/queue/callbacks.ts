import type { EventState } from '../core/event.ts';
import type { JsonValue } from '../core/json/json-text.ts';

/** What somebody outside has to say about a run that waits for it. */
export interface Callback {
  /** The generation that asked. */
  readonly generation: number;
  /** The step of the journal it becomes; `Outcome` of kind `wait` names it. */
  readonly step: string;
  /** Two that read the same as JSON are the same. */
  readonly value: JsonValue;
}

export type CalledBack =
  | { readonly kind: 'accepted' }
  /** The same was accepted before. */
  | { readonly kind: 'duplicate' }
  /** Something else was accepted before. */
  | { readonly kind: 'conflict' }
  /** The event has ended, was parked, or runs in another generation. */
  | { readonly kind: 'over'; readonly state: EventState }
  | { readonly kind: 'not_found' };

/** The way back into a run for what it asked of others. */
export interface Callbacks {
  /**
   * Records the callback as a result in the event's journal and, if the event waits, has it run at once: one atomic
   * step, durable when it resolves. @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_REPLICAS_MISSING
   */
  accept(tenant: string, id: string, callback: Callback): Promise<CalledBack>;
}
