/** What can be wrong with a signed token; which of them it was becomes a metric label. */
export const tokenErrorCodes = [
  'ERR_TOKEN_MISSING',
  'ERR_TOKEN_MALFORMED',
  'ERR_TOKEN_ALGORITHM',
  'ERR_TOKEN_KEY_UNKNOWN',
  'ERR_TOKEN_SIGNATURE_MISMATCH',
  /** Outside its time: expired, or not valid yet. */
  'ERR_TOKEN_EXPIRED',
  'ERR_TOKEN_ISSUER',
  'ERR_TOKEN_AUDIENCE',
  /** A claim that must be there is missing or not of its type. */
  'ERR_TOKEN_CLAIM',
  /** Genuine and meant for us, but its holder is not who may send here (account, publisher, service URL, endorsement). */
  'ERR_TOKEN_SENDER',
] as const;

/**
 * Every error Sallyport makes carries one of these codes; texts carry no input. `server/http/respond` maps codes to HTTP
 * statuses, `workers/` maps them to retry or park. Nothing else may interpret them.
 */
export const errorCodes = [
  // The outer door
  'ERR_METHOD_NOT_ALLOWED',
  'ERR_UNKNOWN_ROUTE',
  'ERR_BODY_TOO_LARGE',
  'ERR_BODY_TIMEOUT',
  'ERR_BODY_ABORTED',
  'ERR_SIGNATURE_MISSING',
  'ERR_SIGNATURE_MALFORMED',
  'ERR_SIGNATURE_MISMATCH',
  'ERR_TIMESTAMP_MALFORMED',
  'ERR_TIMESTAMP_OUTSIDE_TOLERANCE',
  ...tokenErrorCodes,
  'ERR_KEYS_UNAVAILABLE',
  'ERR_BODY_UNPARSABLE',
  'ERR_RATE_LIMITED',
  'ERR_SHUTTING_DOWN',
  // The inner door
  'ERR_STORE_UNAVAILABLE',
  'ERR_STORE_UNSAFE',
  'ERR_STORE_MISMATCH',
  'ERR_REPLICAS_MISSING',
  'ERR_QUEUE_FULL',
  // Behind the doors
  'ERR_WORKER_SILENT',
  'ERR_SUBSCRIPTION_LAPSED',
  'ERR_LEASE_LOST',
  'ERR_ATTEMPTS_EXHAUSTED',
  'ERR_BACKOFF_EXHAUSTED',
  'ERR_SOURCE_UNAVAILABLE',
  'ERR_SOURCE_REJECTED',
  'ERR_AGENT_FAILED',
  'ERR_AGENT_TIMEOUT',
  /** An `http` agent refused the event, or gave an answer that is none. */
  'ERR_AGENT_REJECTED',
  /** An `http` agent said it would call back and did not in time. */
  'ERR_CALLBACK_OVERDUE',
  /** It asked its model as often as one run may and came to no end. */
  'ERR_STEPS_EXHAUSTED',
  /** The endpoint of the model: it may answer later, or never will to this. */
  'ERR_MODEL_UNAVAILABLE',
  'ERR_MODEL_REJECTED',
  'ERR_BUDGET_EXHAUSTED',
  /** A call used more than its worst case. */
  'ERR_BUDGET_OVERRUN',
  'ERR_PRICE_UNKNOWN',
  'ERR_KILLED',
  'ERR_GUARDRAIL_BLOCKED',
  /** A guardrail failed or took too long: nothing passes until it can decide. */
  'ERR_GUARDRAIL_UNAVAILABLE',
  'ERR_REPLY_REJECTED',
  'ERR_REPLY_UNAVAILABLE',
  'ERR_REPLY_UNCONFIRMED',
  'ERR_REPLY_UNCONFIGURED',
  'ERR_AMBIGUOUS_EFFECT',
  /** A person said that it did not happen; a redrive tries it again. */
  'ERR_EFFECT_NOT_DELIVERED',
  'ERR_PARKED_BY_OPERATOR',
  /** Nobody approved the reply in time. */
  'ERR_REVIEW_EXPIRED',
  /** Another text or destination than the one that was approved. */
  'ERR_REVIEW_CHANGED',
  'ERR_OUTBOUND_BLOCKED',
  'ERR_OUTBOUND_FAILED',
  'ERR_OUTBOUND_TIMEOUT',
  'ERR_OUTBOUND_TOO_LARGE',
  'ERR_SEAL_BROKEN',
  // The API and the command line
  'ERR_UNAUTHENTICATED',
  'ERR_FORBIDDEN',
  'ERR_NOT_FOUND',
  'ERR_INVALID_REQUEST',
  'ERR_WRONG_STATE',
  'ERR_REPLY_DELIVERED',
  /** Whoever asked may not approve the answer. */
  'ERR_REVIEW_OWN',
  'ERR_REVIEW_NOT_APPROVER',
  'ERR_CONFIG_INVALID',
  'ERR_INTERNAL',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What happened next to an error's code: never a value that came from outside. */
export interface ErrorDetail {
  readonly cause?: unknown;
  /** For a vendor's `Retry-After`: do not try again before this many milliseconds. */
  readonly retryAfterMs?: number;
}

export class SallyportError extends Error {
  override readonly name = 'SallyportError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** The code of anything thrown: `ERR_INTERNAL` when it is none of ours. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof SallyportError ? error.code : 'ERR_INTERNAL');
