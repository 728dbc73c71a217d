/** What a code means, wherever it turns up. */
interface ErrorRow {
  /** Of an answer of the API; each sender's own statuses are in its channel. */
  readonly status: number;
  /** Of an answer of the API. */
  readonly title: string;
  /** Whether an attempt that failed with it is tried again. All others are parked at once: a person has to look. */
  readonly retry?: true;
  /** A request that failed with it did not prove where it came from; only those count against their source. */
  readonly proof?: true;
}

/** What can be wrong with a signed token; which of them it was becomes a metric label. */
const tokenErrors = {
  ERR_TOKEN_MISSING: { status: 401, title: 'The token is missing', proof: true },
  ERR_TOKEN_MALFORMED: { status: 401, title: 'The token is malformed', proof: true },
  ERR_TOKEN_ALGORITHM: { status: 401, title: 'The token uses an algorithm that is not accepted', proof: true },
  ERR_TOKEN_KEY_UNKNOWN: { status: 401, title: 'The token is signed with an unknown key', proof: true },
  ERR_TOKEN_SIGNATURE_MISMATCH: { status: 401, title: 'The signature of the token does not match', proof: true },
  /** Outside its time: expired, or not valid yet. */
  ERR_TOKEN_EXPIRED: { status: 401, title: 'The token has expired or is not valid yet', proof: true },
  ERR_TOKEN_ISSUER: { status: 401, title: 'The token is from another issuer', proof: true },
  ERR_TOKEN_AUDIENCE: { status: 401, title: 'The token is for another audience', proof: true },
  /** A claim that must be there is missing or not of its type. */
  ERR_TOKEN_CLAIM: { status: 401, title: 'The token lacks a claim', proof: true },
  /** Genuine and meant for us, but its holder is not who may send here (account, publisher, service URL, endorsement). */
  ERR_TOKEN_SENDER: { status: 401, title: 'The holder of the token must not send here', proof: true },
  /** Of the API: made for longer than `SALLYPORT_TOKEN_MAX_LIFE`. */
  ERR_TOKEN_LIFE: { status: 401, title: 'The token is valid for too long', proof: true },
  /** Of the API: for a tenant that is not configured. */
  ERR_TOKEN_TENANT: { status: 401, title: 'The token is for an unknown tenant', proof: true },
  /** Of the API: an operator revoked it, all of its subject, or all of its tenant. */
  ERR_TOKEN_REVOKED: { status: 401, title: 'The token is revoked', proof: true },
  /** Of the API: its issuer says that it is no longer active (RFC 7662). */
  ERR_TOKEN_INACTIVE: { status: 401, title: 'The token is no longer active', proof: true },
} as const satisfies Record<string, ErrorRow>;

/**
 * Every error Sallyport makes carries one of these codes; texts carry no input. 503 stands for whatever was not foreseen:
 * the sender tries again.
 */
const errors = {
  // The outer door
  ERR_METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed' },
  ERR_UNKNOWN_ROUTE: { status: 404, title: 'Not found' },
  ERR_BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  ERR_BODY_TIMEOUT: { status: 408, title: 'The body took too long to arrive' },
  ERR_BODY_ABORTED: { status: 400, title: 'The body ended early' },
  ERR_SIGNATURE_MISSING: { status: 401, title: 'The request is not signed', proof: true },
  ERR_SIGNATURE_MALFORMED: { status: 401, title: 'The signature is malformed', proof: true },
  ERR_SIGNATURE_MISMATCH: { status: 401, title: 'The signature does not match', proof: true },
  ERR_TIMESTAMP_MALFORMED: { status: 401, title: 'The timestamp is malformed', proof: true },
  ERR_TIMESTAMP_OUTSIDE_TOLERANCE: { status: 401, title: 'The timestamp is outside the tolerance', proof: true },
  ...tokenErrors,
  ERR_KEYS_UNAVAILABLE: { status: 503, title: 'The keys of the issuer are unavailable' },
  ERR_INTROSPECTION_UNAVAILABLE: { status: 503, title: 'The issuer cannot say whether the token is active' },
  ERR_BODY_UNPARSABLE: { status: 400, title: 'The body cannot be parsed' },
  ERR_RATE_LIMITED: { status: 429, title: 'Too many requests' },
  /** Of `/relay`: a version of the protocol that this release does not speak. */
  ERR_RELAY_VERSION: { status: 400, title: 'The version of the relay protocol is not supported' },
  /** Of `/relay`: its signature is good, and an attempt that is as late as this one, or later, has been here. */
  ERR_RELAY_REPLAYED: { status: 409, title: 'The relayed batch or a later one has already arrived' },
  ERR_SHUTTING_DOWN: { status: 503, title: 'The process is shutting down' },
  // The inner door
  ERR_STORE_UNAVAILABLE: { status: 503, title: 'The store is unavailable', retry: true },
  ERR_STORE_UNSAFE: { status: 503, title: 'The store may lose data as it is set up' },
  ERR_STORE_MISMATCH: { status: 503, title: 'The store belongs to another set-up' },
  ERR_REPLICAS_MISSING: { status: 503, title: 'Too few replicas of the store are connected', retry: true },
  ERR_CHANNEL_RATE: { status: 503, title: 'Too many events came over the channel', retry: true },
  ERR_QUEUE_FULL: { status: 503, title: 'The queue is full', retry: true },
  /** Of the edge: what only the origin can accept came while it is away. */
  ERR_ORIGIN_UNAVAILABLE: { status: 503, title: 'The origin is unavailable' },
  /** Of the edge, for routes of the API. */
  ERR_ORIGIN_ROUTE: { status: 421, title: 'This route is served by the origin' },
  // Behind the doors
  ERR_WORKER_SILENT: { status: 503, title: 'No worker reports' },
  /** Something waits, there is room for it, and nothing is taken: a paused queue, a worker that hangs. */
  ERR_WORKER_STALLED: { status: 503, title: 'No worker takes the events that wait' },
  /** Of the operator's own checks (`ready.checks`). */
  ERR_CHECK_FAILED: { status: 503, title: 'A dependency does not answer' },
  ERR_CERTIFICATE_EXPIRED: { status: 503, title: 'The certificate of the listener has expired' },
  ERR_CERTIFICATE_INVALID: { status: 503, title: 'The new certificate of the listener cannot be used' },
  ERR_SUBSCRIPTION_LAPSED: { status: 503, title: 'A subscription has lapsed' },
  ERR_LEASE_LOST: { status: 503, title: 'The lease was lost', retry: true },
  ERR_ATTEMPTS_EXHAUSTED: { status: 503, title: 'Every attempt was used' },
  ERR_BACKOFF_EXHAUSTED: { status: 503, title: 'The time for further attempts is over' },
  ERR_SOURCE_UNAVAILABLE: { status: 503, title: 'The vendor does not answer', retry: true },
  ERR_SOURCE_REJECTED: { status: 503, title: 'The vendor refuses to answer' },
  ERR_AGENT_FAILED: { status: 503, title: 'The agent failed', retry: true },
  ERR_AGENT_TIMEOUT: { status: 503, title: 'The agent took too long', retry: true },
  /** An `http` agent refused the event, or gave an answer that is none. */
  ERR_AGENT_REJECTED: { status: 503, title: 'The agent rejected the event or gave an invalid answer' },
  /** What the `run` of an agent of the file returned is no outcome; another attempt would return the same. */
  ERR_AGENT_RESULT_INVALID: { status: 503, title: 'The agent returned something that is not an outcome' },
  /** An `http` agent said it would call back and did not in time. */
  ERR_CALLBACK_OVERDUE: { status: 503, title: 'The agent did not call back in time' },
  /** It asked its model as often as one run may and came to no end. */
  ERR_STEPS_EXHAUSTED: { status: 503, title: 'The model did not finish within the step limit' },
  /** The endpoint of the model: it may answer later, or never will to this. */
  ERR_MODEL_UNAVAILABLE: { status: 503, title: 'The model is unavailable', retry: true },
  ERR_MODEL_REJECTED: { status: 503, title: 'The model rejects the request' },
  ERR_BUDGET_EXHAUSTED: { status: 503, title: 'The budget is exhausted' },
  /** A call used more than its worst case. */
  ERR_BUDGET_OVERRUN: { status: 503, title: 'A call used more than was reserved for it' },
  ERR_PRICE_UNKNOWN: { status: 503, title: 'The price of the model is unknown' },
  ERR_KILLED: { status: 503, title: 'The kill switch is on' },
  ERR_GUARDRAIL_BLOCKED: { status: 422, title: 'A guardrail does not let the text pass' },
  /** A guardrail failed or took too long: nothing passes until it can decide. */
  ERR_GUARDRAIL_UNAVAILABLE: { status: 503, title: 'A guardrail cannot decide', retry: true },
  ERR_REPLY_REJECTED: { status: 503, title: 'The vendor rejects the reply' },
  ERR_REPLY_UNAVAILABLE: { status: 503, title: 'The vendor does not take the reply now', retry: true },
  ERR_REPLY_UNCONFIRMED: { status: 503, title: 'It is not known yet whether the reply was posted', retry: true },
  ERR_REPLY_UNCONFIGURED: { status: 503, title: 'Credentials for the reply are missing' },
  ERR_AMBIGUOUS_EFFECT: { status: 409, title: 'An effect has an unknown outcome; resolve it first' },
  /** A person said that it did not happen; a redrive tries it again. */
  ERR_EFFECT_NOT_DELIVERED: { status: 503, title: 'An operator settled the effect as not delivered' },
  ERR_PARKED_BY_OPERATOR: { status: 503, title: 'An operator parked the event' },
  /** An operator had the content of the person who wrote it erased. */
  ERR_ERASED: { status: 410, title: 'The content was erased' },
  /** Nobody approved the reply in time. */
  ERR_REVIEW_EXPIRED: { status: 409, title: 'Nobody decided in time' },
  /** Another text or destination than the one that was approved. */
  ERR_REVIEW_CHANGED: { status: 409, title: 'Another text is held than the one the digest names' },
  ERR_OUTBOUND_BLOCKED: { status: 503, title: 'The outbound request is blocked' },
  ERR_OUTBOUND_FAILED: { status: 503, title: 'The outbound request failed' },
  ERR_OUTBOUND_TIMEOUT: { status: 503, title: 'The outbound request took too long' },
  ERR_OUTBOUND_TOO_LARGE: { status: 503, title: 'The outbound response is too large' },
  ERR_SEAL_BROKEN: { status: 503, title: 'A sealed value cannot be opened' },
  // The API and the command line
  ERR_UNAUTHENTICATED: { status: 401, title: 'Authentication is required' },
  ERR_FORBIDDEN: { status: 403, title: 'The token does not allow this' },
  /** The API of a listener that knows the authorities of clients' certificates. */
  ERR_CERTIFICATE_REQUIRED: { status: 403, title: 'A client certificate is required' },
  ERR_NOT_FOUND: { status: 404, title: 'Not found' },
  ERR_INVALID_REQUEST: { status: 400, title: 'The request is not valid' },
  /** An earlier request with the same key said something else. */
  ERR_IDEMPOTENCY_KEY_REUSED: { status: 409, title: 'The idempotency key was used for something else' },
  /** The same idempotency key, the same request, no answer yet. */
  ERR_REQUEST_RUNNING: { status: 409, title: 'The request is being worked on' },
  /** The process that worked on the request with this idempotency key ended before it had answered. */
  ERR_ANSWER_LOST: { status: 409, title: 'The answer to the request with this key was lost' },
  ERR_WRONG_STATE: { status: 409, title: 'The event is in another state' },
  /** `If-Match` does not name what is there now (RFC 9110, 13.1.1). */
  ERR_PRECONDITION_FAILED: { status: 412, title: 'The condition of the request does not hold' },
  ERR_REPLY_DELIVERED: { status: 409, title: 'Its reply was delivered' },
  /** Whoever asked may not approve the answer. */
  ERR_REVIEW_OWN: { status: 403, title: 'Whoever asked may not decide about the answer' },
  ERR_REVIEW_NOT_APPROVER: { status: 403, title: 'The subject is not among the approvers' },
  ERR_REVOCATIONS_FULL: { status: 409, title: 'The tenant has too many revocations' },
  ERR_CONFIG_INVALID: { status: 503, title: 'The configuration is invalid' },
  ERR_INTERNAL: { status: 503, title: 'The request could not be served' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errors;

const rows: Readonly<Record<ErrorCode, ErrorRow>> = errors;

export const tokenErrorCodes = Object.keys(tokenErrors) as readonly (keyof typeof tokenErrors)[];
export const errorCodes = Object.keys(errors) as readonly ErrorCode[];

/** The status of an answer of the API; a sender's own table may say otherwise. */
export const statusOf = (code: ErrorCode): number => rows[code].status;
export const titleOf = (code: ErrorCode): string => rows[code].title;
/** A code as a label of metrics and log lines: without `ERR_`, in lower case. */
export const reasonOf = (code: ErrorCode): string => code.slice('ERR_'.length).toLowerCase();
/** True when an attempt that failed with the code is tried again. */
export const isRetryable = (code: ErrorCode): boolean => rows[code].retry === true;
/** True for a request that failed its proof. */
export const isFailedProof = (code: ErrorCode): boolean => rows[code].proof === true;

/** What is wrong with one field of a request. Neither text repeats a value. */
export interface FieldError {
  /** Names of fields and positions in lists, with dots between them; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** What happened next to an error's code: never a value that came from outside. */
export interface ErrorDetail {
  readonly cause?: unknown;
  /** For `Retry-After`, a vendor's or ours: do not try again before this many milliseconds. */
  readonly retryAfterMs?: number;
  /** Of ERR_INVALID_REQUEST: each field that is wrong. */
  readonly errors?: readonly FieldError[];
  /** Of ERR_FORBIDDEN: the scope the token lacks. */
  readonly scope?: string;
  /** The other side's own word for the failure, such as `not_in_channel`. Kept only when `isReasonWord` holds. */
  readonly reason?: string;
  /** HTTP status of the other side's answer. */
  readonly status?: number;
  /** Of ERR_UNAUTHENTICATED: a token was given and does not count (RFC 6750, 3.1). */
  readonly isTokenInvalid?: boolean;
}

/** A machine's word: no white space, no quotes, so no sentence and no part of a document fits. */
const REASON_WORD = /^[A-Za-z0-9_.:-]{1,64}$/;

/** Whether a value of another side may be kept as the reason of a failure. */
const isReasonWord = (value: unknown): value is string => typeof value === 'string' && REASON_WORD.test(value);

export class SallyportError extends Error {
  override readonly name = 'SallyportError';
  readonly code: ErrorCode;
  readonly detail: Omit<ErrorDetail, 'cause'>;

  constructor(code: ErrorCode, message: string, { cause, reason, ...detail }: ErrorDetail = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = isReasonWord(reason) ? { ...detail, reason } : detail;
  }

  get retryAfterMs(): number | undefined {
    return this.detail.retryAfterMs;
  }
}

/** The code of anything thrown: `ERR_INTERNAL` when it is none of ours. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof SallyportError ? error.code : 'ERR_INTERNAL');
