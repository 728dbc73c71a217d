import type { JsonObject } from '../json/json-text.ts';

/** What can be in an audit chain. Nothing else may, so that a reader of the chain knows every word. */
export const auditActions = [
  /** An attempt at an event ended. Its data says who ran, how it ended and what it used. */
  'run.finished',
  /** An event waits for a person: by an attempt's end, by the store's limits, or on an operator's word. */
  'event.parked',
  /** A parked event was queued again, as a new generation. */
  'event.redriven',
  /** Somebody said what became of an effect with an unknown outcome. */
  'event.resolved',
  /** What the entry before says an operator did was not done after all: the event had changed meanwhile. */
  'event.refused',
  /** An operator was shown what a person or an agent wrote. */
  'content.read',
  /** A call a model asked for was made. */
  'tool.called',
  /** A call a model asked for was not made, or came to nothing. */
  'tool.refused',
  /** The outbound guard opened no socket for a URL. */
  'outbound.refused',
  /** A check blocked what a model was about to read, a call, or a reply. */
  'guardrail.refused',
  /** An operator ended what guardrail services had decided. */
  'guardrail.invalidated',
  /** What an agent or its model said held what the scrubber knows for a secret; it was taken out. */
  'secret.leak_blocked',
  /** A run was not begun: a limit, or the kill switch. */
  'budget.refused',
  /** A run was stopped: a limit, the kill switch, or a call that cost more than its worst case. */
  'budget.exhausted',
  /** An operator set limits. */
  'budget.changed',
  /** An operator turned the kill switch. */
  'budget.kill',
  /** A reply waits for a person. */
  'review.held',
  'review.approved',
  'review.edited',
  'review.rejected',
  /** Nobody decided in time. */
  'review.expired',
  /** Somebody tried to decide who may not. */
  'review.refused',
  /** A valid token lacked the scope of a route. */
  'access.refused',
  /** An operator revoked a token, all tokens of a subject, or all of the tenant. */
  'token.revoked',
  /** An operator deleted a revocation. */
  'revocation.deleted',
  /** An operator had the content of a person erased; how much it was is in the entry that follows. */
  'user.erased',
  'user.erasure_finished',
  /** Deliveries with the identity of an earlier one and other content, counted. */
  'delivery.conflict',
  /** Deliveries, or items of them, that were kept out although their sender is who it says, counted. */
  'delivery.quarantined',
  /** Deliveries that did not prove where they came from, counted. */
  'delivery.forged',
  /** Tokens that were not accepted, counted. */
  'token.refused',
  /** A process started with another configuration than the one before. */
  'configuration.changed',
] as const;
export type AuditAction = (typeof auditActions)[number];

/** `agent:<name>`, `user:<subject of a token>`, or `system`. */
export type Actor = 'system' | `agent:${string}` | `user:${string}`;

/** What somebody has to tell the chain. Ids, digests, codes and figures; never what a person or a model wrote. */
export interface AuditNote {
  readonly actor: Actor;
  readonly action: AuditAction;
  /** What it was done to: an event's id, a budget's scope, a route. */
  readonly subject: string;
  readonly data: JsonObject;
}

/** What is counted, and told now and then: those who prove nothing must not decide how fast a chain grows. */
export type TalliedAction = Extract<
  AuditAction,
  'delivery.conflict' | 'delivery.quarantined' | 'delivery.forged' | 'token.refused'
>;

/** Counts something that was refused. It costs no round trip and never fails; tenants that are not configured have no count. */
export type TallyRefusal = (
  tenant: string,
  what: {
    readonly action: TalliedAction;
    /** Where: a channel's name, `api` or `metrics`. */
    readonly subject: string;
    /** A word of ours. */
    readonly reason: string;
    readonly eventId?: string | undefined;
  },
) => void;

/**
 * Puts notes into a tenant's chain, cleaned, in this order and next to each other. They are durable when it resolves.
 * @throws SallyportError ERR_STORE_UNAVAILABLE: whatever they are about has not happened as far as anybody may rely on it
 */
export type RecordAudit = (tenant: string, notes: readonly AuditNote[]) => Promise<void>;
