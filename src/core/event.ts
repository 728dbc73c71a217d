import type { ErrorCode } from './errors.ts';
import type { JsonObject, JsonValue } from './json/json-text.ts';

/** The name of a channel as its module has it (`channels/registry`): short, of a-z and -, so that it can be a label. */
export type ChannelName = string;

/**
 * What makes two deliveries the same event. Both are keyed digests (22 characters of base64url, 132 bits) over values as
 * received; the values themselves appear in no key of any store.
 */
export interface Identity {
  /** Same key within the window: seen before. */
  readonly key: string;
  /** Same key, other fingerprint: the content differs, so it is a conflict. */
  readonly fingerprint: string;
}

/** The line of events that run one at a time, in the order they were accepted. */
export interface Conversation {
  /** Readable name made of checked routing ids, e.g. `C024BE91L:1700000000.000100`. Shown to operators, never a key. */
  readonly name: string;
  /** Keyed digest of channel, tenant and name; what stores use. */
  readonly key: string;
}

/** Who caused the event, as the sender names them. */
export interface Author {
  readonly id: string;
  readonly kind: 'user' | 'app' | 'unknown';
}

/** Stands for whoever wrote an event whose content was erased. */
export const ERASED_AUTHOR: Author = { id: 'erased', kind: 'unknown' };

/** Something that came with a message. All of it is what its sender says. */
export interface Attachment {
  readonly name: string;
  /** Its media type, e.g. `image/png`. */
  readonly type: string;
  /** Bytes, where the sender names them. */
  readonly size?: number;
  /** What it says, where it is a short text and could be read. */
  readonly text?: string;
}

/** One normalised happening, verified, scrubbed and ready to be accepted. It is JSON through and through. */
export interface InboundEvent {
  /** Version of this record. A release reads its own version and the one before. */
  readonly v: 1;
  /** Made once per delivery, sortable by time: `ev_` and 26 characters. */
  readonly id: string;
  readonly tenant: string;
  readonly channel: ChannelName;
  /** `message`, `command`, `action`, `shortcut`, `view`, or the sender's own event type. */
  readonly kind: string;
  readonly identity: Identity;
  /** How long the identity is remembered, in milliseconds. */
  readonly windowMs: number;
  /**
   * `start`: the identity is forgotten as soon as the event is taken for the first time, if that comes before the window
   * ends. For news that only repeats itself while nobody has acted on it.
   */
  readonly seenUntil?: 'start';
  readonly conversation: Conversation;
  /** Epoch milliseconds at which the delivery reached us. */
  readonly receivedAt: number;
  /** The sender addressed the app by name. A twin delivery that knows it upgrades the record. */
  readonly mentioned: boolean;
  readonly author: Author;
  /** What the author is called, where the channel knows it. For an agent; never stored. */
  readonly authorName?: string;
  /** What came with the message, as far as the channel knows it. For an agent; never stored. */
  readonly attachments?: readonly Attachment[];
  /** What the agent reads first. Empty when the event carries no text. */
  readonly text: string;
  /** Where a reply goes; its shape belongs to the channel. */
  readonly destination: JsonObject;
  /** The sender's own payload, scrubbed, without capabilities. */
  readonly payload: JsonValue;
  /** Capabilities that are still needed (a `response_url`), encrypted and bound to tenant and event. */
  readonly sealed: Readonly<Record<string, string>>;
  /** The span that accepted it (W3C Trace Context, made here): its runs go on with that trace. Absent: nothing was traced. */
  readonly traceparent?: string;
  /** Epoch ms at which everything in it that a person said or that names them was removed. */
  readonly erasedAt?: number;
}

export const eventStates = [
  'queued',
  'running',
  'waiting',
  'review',
  'parked',
  'done',
  'ignored',
  'conflict',
  'expired',
] as const;
export type EventState = (typeof eventStates)[number];

/**
 * `delivered`: the vendor confirmed it. `unsent`: the channel has no credentials to reply with. `held`: a person decides
 * first, and `rejected` is what they decided.
 */
export const replyStates = ['delivered', 'unsent', 'ambiguous', 'held', 'rejected', 'failed'] as const;
export type ReplyState = (typeof replyStates)[number];

export interface RunReply {
  readonly text: string;
  /** What was shown beside the text: that a model wrote it. */
  readonly disclosure?: string;
  readonly state: ReplyState;
}

export interface Usage {
  readonly usdMicros: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly modelCalls: number;
  readonly toolCalls: number;
}

export const noUsage: Usage = { usdMicros: 0, inputTokens: 0, outputTokens: 0, modelCalls: 0, toolCalls: 0 };

export const runOutcomes = [
  'running',
  'replied',
  'silent',
  'review',
  'rejected',
  'retry',
  'waiting',
  'parked',
  'released',
  'lost',
  'ignored',
] as const;

/**
 * One attempt at an event. `outcome` is `running` until it ends, and `lost` when its worker never came back; `review` ends
 * it with a held reply and becomes `rejected` when that is what a person decides.
 */
export interface Run {
  readonly startedAt: number;
  readonly finishedAt?: number;
  readonly outcome: (typeof runOutcomes)[number];
  readonly usage: Usage;
  /** Who was asked. */
  readonly agent?: string;
  readonly reply?: RunReply;
  readonly code?: ErrorCode;
  /** Of an attempt that failed: the other side's code for it, and the HTTP status of its answer (`core/failure`). */
  readonly cause?: string;
  readonly status?: number;
}

/** What a person decided about a held reply. */
export interface ReviewDecision {
  readonly kind: 'approved' | 'rejected';
  /** Subject of the token. */
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
  /** Scrubbed. */
  readonly reason?: string;
}

/** A reply that waits for a person, or about which one has decided. */
export interface HeldReply {
  /** Exactly what is sent once it is approved. */
  readonly text: string;
  /** Of this version's text and destination; what a decision names. */
  readonly digest: string;
  /** 1 as the agent wrote it; each edit adds one. */
  readonly version: number;
  /** The event's generation whose reply it is. */
  readonly generation: number;
  readonly heldAt: number;
  /** Epoch ms from which nobody can approve it any more. An edit does not move it. */
  readonly expiresAt: number;
  /** Whoever asked, as the channel's reader knows them: they may not decide. */
  readonly requester: Author;
  /** Subject of the token that made this version. Absent: the agent did. */
  readonly editedBy?: string;
  readonly decision?: ReviewDecision;
}

/** An accepted event and what became of it. */
export interface EventRecord {
  readonly event: InboundEvent;
  readonly state: EventState;
  /** 1 at first; each redrive adds one. */
  readonly generation: number;
  /** Leases taken in this generation, after an approval since then. A release by orderly shutdown does not count. */
  readonly attempts: number;
  /** Deliveries seen, the first included. */
  readonly deliveries: number;
  /** Epoch milliseconds from which age counts: received, or the latest redrive or approval. */
  readonly eligibleAt: number;
  readonly runs: readonly Run[];
  readonly failure?: { readonly code: ErrorCode };
  /** The latest reply of it that was held, decided about or not. */
  readonly review?: HeldReply;
}
