import type { ErrorCode } from '../core/errors.ts';
import type { ChannelName, EventRecord, EventState, InboundEvent } from '../core/event.ts';
import type { JsonObject } from '../core/json/json-text.ts';
import type { KeeperReport } from '../core/kept-source.ts';
import type { VendorTiming } from '../core/reply-timing.ts';

/** The headers a channel may ask for, by lower-case name. A header sent twice comes joined by ', '. */
export interface DeliveryHeaders {
  get(name: string): string | null;
}

/**
 * How long the answer to a request that is passed on is awaited, in ms. It can only shorten what the sender itself waits, so
 * that a reply is never recorded as given to a sender that was answered already.
 */
export const WAIT_HEADER = 'x-sallyport-wait';

/** One HTTP request from a sender, before its body is read. */
export interface DeliveryHead {
  readonly tenant: string;
  readonly headers: DeliveryHeaders;
  /** Absolute. Parsed only by channels that look at the query: that costs as much as the signature. */
  readonly url: string;
  /** Epoch milliseconds at which the request reached us. */
  readonly receivedAt: number;
}

/** The same with its body: the exact bytes, because proofs are made over bytes. */
export interface Delivery extends DeliveryHead {
  readonly body: Uint8Array;
  /** What `authenticate` found out. Only `receive` of the same channel reads it. */
  readonly proof?: unknown;
}

/** The `proof` of what a caller of the API delivers: whose token it was. The token names the tenant as well. */
export interface CallerProof {
  readonly subject: string;
  /** Of the header `Idempotency-Key`. */
  readonly idempotencyKey?: string | undefined;
}

/** Why something authentic is not run. Bounded: it becomes a metric label. */
export type Reason = string;

/** What became of one event or item; becomes `sallyport_deliveries_total` and the outcome header. */
export type DeliveryOutcome =
  | 'accepted'
  | 'duplicate'
  | 'conflict'
  | 'ignored'
  | 'handshake'
  | 'quarantined'
  | 'rejected'
  | 'unavailable'
  /** Passed on to the origin, which answered it. */
  | 'forwarded';

/** An item that will not run: authentic but irrelevant (`ignored`), or not to be trusted (`quarantined`). */
export interface Refused {
  readonly outcome: 'ignored' | 'quarantined';
  readonly reason: Reason;
  /** It failed its proof. A delivery that holds nothing else counts against its source. */
  readonly isForged?: boolean;
  /** Its sender is who it says and no tenant is configured for it: the vendor's id of it, for the operator's log. */
  readonly unmapped?: string;
}

/** An answer as a channel gives it; `server/http/respond` adds the headers every answer carries. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An event on its way in: scrubbed later by `receive`, so it still holds what the sender wrote. */
export interface ParsedEvent {
  /** Complete but for `sealed`, and not yet scrubbed. */
  readonly event: Omit<InboundEvent, 'sealed'>;
  /** Capabilities that are still needed; `receive` seals them. */
  readonly capabilities: Readonly<Record<string, string>>;
  /**
   * Routing ids that go into names, keys and destinations unscrubbed. One that a scrub rule recognises as a secret
   * quarantines the event.
   */
  readonly routingIds: readonly string[];
}

/** What a delivery came to. `answer` is for handshakes, which hold no event. */
export interface Received {
  readonly events: readonly ParsedEvent[];
  readonly refused: readonly Refused[];
  readonly answer?: Answer & { readonly outcome: DeliveryOutcome };
  /**
   * Answers instead of `Channel.acknowledge` when events were taken in, for senders that want more than a receipt.
   * @throws SallyportError to answer that failure: what was taken in stays so
   */
  readonly respond?: Respond;
  /** How long the sender waits for what `respond` makes, in ms. Absent: it is answered at once. */
  readonly waitMs?: number;
  /** Why the sender says that it sends this again; absent for a first try, and of senders that do not say. */
  readonly retry?: Reason | undefined;
}

/**
 * Makes an answer out of what becomes of a delivery's events. `results` waits, for at most so many milliseconds, which
 * must be less than the sender's own deadline, and resolves with the records of those that have ended, in the order of
 * the events; null for one that has not, or never runs. Duplicates have the record of the event they repeat. `taken` says
 * what the inbox made of each.
 */
export type Respond = (
  results: (timeoutMs: number) => Promise<readonly (EventRecord | null)[]>,
  taken: readonly Taken[],
) => Promise<Answer> | Answer;

/** What the inbox made of an event. `id` is that of the event it repeats, or of the recorded conflict. */
export interface Taken {
  readonly outcome: 'accepted' | 'duplicate' | 'conflict';
  readonly id: string;
}

/** One channel of one tenant: knows its sender's proof, its payloads and its status codes; knows no store. */
export interface Channel {
  readonly name: ChannelName;
  /** Bytes a body may have, counted while reading. */
  readonly bodyLimit: number;
  /** Whether answers carry the outcome headers. */
  readonly outcomeHeaders: boolean;
  /**
   * Proof that is in the headers alone (a bearer token). Runs before the body is read; absent where the proof covers
   * the body. What it resolves with is the delivery's `proof`: a token may bind what the body says.
   * @throws SallyportError
   */
  readonly authenticate?: (head: DeliveryHead) => Promise<unknown>;
  /** The proof is in what the body says, item by item: a body that cannot be parsed, or holds no item, has proved nothing. */
  readonly isProofInBody?: true;
  /**
   * Verifies, parses, and decides what is relevant.
   * @throws SallyportError with the code `server/http/respond` answers.
   */
  readonly receive: (delivery: Delivery) => Promise<Received> | Received;
  /**
   * The answer when every event is accepted, a duplicate, a conflict or ignored.
   * @throws SallyportError to answer that failure
   */
  readonly acknowledge: (outcomes: readonly DeliveryOutcome[]) => Answer;
  /** The answer to a failure: this sender's status for that code. Absent: as the API answers it. */
  readonly refuse?: (code: ErrorCode) => Answer;
  /**
   * What a caller of the API, by the subject of their token, sees of an event of this channel; null when it is not
   * theirs. Absent where no caller delivers.
   */
  readonly show?: (record: EventRecord, subject: string) => CallerView | null;
}

/** What a caller of the API sees of an event that they delivered; the shape is public. */
export interface CallerView {
  readonly event: string;
  readonly conversation: string;
  readonly state: EventState;
  /** UTC, with milliseconds. */
  readonly receivedAt: string;
  readonly reply?: { readonly text: string; readonly disclosure?: string };
  readonly failure?: { readonly code: ErrorCode };
}

/** What a channel does with an accepted event in the worker, before an agent sees it. */
export interface Reader {
  /**
   * Turns a hint into the thing itself, fetched with our own credentials, or does what only the channel can do with it.
   * Repeatable: an attempt that died may have got anywhere.
   * @throws SallyportError ERR_SOURCE_UNAVAILABLE (retried), ERR_SOURCE_REJECTED (parked)
   */
  read(event: InboundEvent, context: ReadContext): Promise<Read>;
}

export interface ReadContext {
  readonly signal: AbortSignal;
  /** Epoch ms from which the event's age counts. */
  readonly eligibleAt: number;
  /**
   * Accepts further events that this one led to (the messages behind a mailbox push). They pass scrub and seal like any
   * delivery; resolves once they are durable. @throws SallyportError ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE
   */
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
}

export type Read =
  /** For the agent: what is given replaces the event's own and is scrubbed before anything else sees it. */
  | { readonly kind: 'task'; readonly content: Partial<ReadContent> }
  /** Found irrelevant once fetched. `reason` is a bounded word for the log. */
  | { readonly kind: 'ignored'; readonly reason: Reason }
  /** The channel's own business; there is nothing to answer. */
  | { readonly kind: 'handled' };

export type ReadContent = Pick<
  InboundEvent,
  'text' | 'author' | 'authorName' | 'attachments' | 'payload' | 'mentioned' | 'destination'
>;

/** A reply on its way out, as Markdown; the channel gives it its own form. */
export interface ReplyMessage {
  readonly text: string;
  /** That a model wrote the reply, in words; shown apart from the text. Absent: nothing is said. */
  readonly disclosure?: string;
}

export interface ReplyContext {
  readonly tenant: string;
  readonly eventId: string;
  readonly destination: JsonObject;
  readonly sealed: Readonly<Record<string, string>>;
  /** Names this reply at the vendor, the same in every attempt of every generation. */
  readonly replyId: string;
  /** Aborted when the run is stopped or takes too long. For everything but the call that posts. */
  readonly signal: AbortSignal;
}

/** What `Replier.send` gets beside the message. */
export interface SendContext extends ReplyContext {
  /**
   * Records that the reply is about to be posted. Called once, when everything else the call needs is there, and
   * followed by that one call and nothing else.
   * @throws SallyportError ERR_LEASE_LOST, ERR_REPLY_UNAVAILABLE, ERR_STORE_UNAVAILABLE: the call must not be made
   */
  readonly begin: () => Promise<PostCall>;
}

/** The one call that posts a message. */
export interface PostCall {
  /** Aborted when the time limit of the call is over or the run is stopped. The only limit of the call. */
  readonly signal: AbortSignal;
  /**
   * Runs synchronously right before the request is handed to the HTTP client.
   * @throws SallyportError ERR_REPLY_UNAVAILABLE when too much time has passed since the intent: nothing may be sent
   */
  readonly fence: () => void;
}

export type ReplyResult =
  | { readonly kind: 'delivered' }
  /** Nothing is posted: the reply is given in the response to the delivery that asked, or to a later request for it. */
  | { readonly kind: 'in_response' }
  /** No credentials for this channel, or the answer is no longer awaited: nothing was attempted. */
  | { readonly kind: 'unsent' }
  /** The vendor may or may not have it. `why` as in `CallOutcome`. */
  | { readonly kind: 'ambiguous'; readonly why?: string };

/** Time limit of calls to a vendor other than the one that posts, in ms. */
export const VENDOR_CALL_MS = 10_000;

/** Whom to show that an answer is being worked on. */
export type WorkingContext = Pick<ReplyContext, 'tenant' | 'eventId' | 'destination' | 'sealed' | 'signal'>;

export interface Replier {
  /**
   * The messages that a reply becomes here, each Markdown of its own and the same for the same text. Absent: there is
   * always one.
   */
  split?(text: string, destination: JsonObject): readonly string[];
  /** Least time between two messages of one reply, in ms, so that the vendor takes them all. Absent: none. */
  readonly paceMs?: number;
  /** How long the vendor may take to carry out a call and to show it to `find`. Absent: the usual. */
  readonly timing?: VendorTiming;
  /**
   * Shows that an answer is being worked on, where the channel has a sign for it that goes away by itself. Nothing depends
   * on it, so its failures concern nobody. Absent: there is none.
   */
  showWorking?(context: WorkingContext): Promise<void>;
  /**
   * Posts one message with one call, which `context.begin` precedes; never retries by itself.
   * @throws SallyportError ERR_REPLY_UNAVAILABLE when the vendor certainly did not take it and may later,
   *   ERR_REPLY_REJECTED when it certainly never will. Any other error after `begin` counts as ambiguous.
   */
  send(message: ReplyMessage, context: SendContext): Promise<ReplyResult>;
  /**
   * Asks the vendor whether an earlier attempt arrived, for an intent without a result. `sinceMs` is when the intent was
   * recorded (epoch). `absent`: a complete look did not find it; the caller decides whether that is settled
   * (`reply-timing`). `unknown`: the vendor cannot show it.
   * @throws SallyportError ERR_REPLY_UNAVAILABLE when the vendor cannot be asked now: ask again later
   */
  find(context: ReplyContext, sinceMs: number): Promise<'delivered' | 'absent' | 'unknown'>;
}

/**
 * Keeps one channel's sources of one tenant alive. The keeper runs it every minute or so on one worker at a time, so a
 * run does only what is due. It is repeatable: a worker that died may have got anywhere, and after a lost lease two may
 * overlap for a moment.
 */
export interface KeeperTask {
  /** Unique over all tasks, e.g. `graph/default`. */
  readonly name: string;
  readonly tenant: string;
  readonly channel: ChannelName;
  /**
   * Aborted when another worker leads or this one stops. Failures of single sources belong into the report.
   * @throws SallyportError when nothing can be said about any source
   */
  run(signal: AbortSignal): Promise<KeeperReport>;
}
