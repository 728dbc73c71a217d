import type { ChannelName, EventRecord, EventState } from '../core/event.ts';

export interface EventFilter {
  readonly state?: EventState;
  readonly channel?: ChannelName;
  /** Opaque; the `cursor` of the previous page. */
  readonly cursor?: string;
  /** 1 to 200. */
  readonly limit: number;
}

export interface EventPage {
  /** Newest first. */
  readonly events: readonly EventRecord[];
  readonly cursor?: string;
}

export type Transition =
  | { readonly kind: 'ok'; readonly record: EventRecord }
  | { readonly kind: 'not_found' }
  /** The event was in another state than the transition leaves from. */
  | { readonly kind: 'wrong_state'; readonly state: EventState }
  /** Its reply reached the user, so running it again would answer twice. */
  | { readonly kind: 'reply_delivered' }
  /** An effect's outcome is unknown; `resolve` comes first. */
  | { readonly kind: 'ambiguous' };

export type EffectOutcome = 'delivered' | 'not_delivered';

export type Resolved =
  | Extract<Transition, { kind: 'ok' | 'not_found' | 'wrong_state' }>
  | { readonly kind: 'no_effect' };

/** The event log as operators see it. Every call names its tenant and sees nothing else. */
export interface Events {
  get(tenant: string, id: string): Promise<EventRecord | null>;
  list(tenant: string, filter: EventFilter): Promise<EventPage>;
  /** `parked` → `queued` as a new generation, at the tail of its conversation. */
  redrive(tenant: string, id: string): Promise<Transition>;
  /**
   * Settles an effect of an ambiguous event, by its step in the journal, on an operator's word. `delivered`: the event is
   * done, or, when more messages of its reply are to follow, parked (ERR_EFFECT_NOT_DELIVERED) until a redrive posts
   * them. `not_delivered`: the step is `refused`, and the event stays parked (ERR_EFFECT_NOT_DELIVERED), to be redriven.
   * `wrong_state` also for events parked for another reason, `no_effect` when that step is not under way.
   */
  resolve(tenant: string, id: string, effect: string, outcome: EffectOutcome): Promise<Resolved>;
  /** `queued`, `waiting` or `running` → `parked` (ERR_PARKED_BY_OPERATOR). A running worker loses its lease. */
  park(tenant: string, id: string): Promise<Transition>;
}
