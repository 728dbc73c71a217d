import { defined } from '../../../core/defined.ts';
import { type ErrorDetail, SallyportError } from '../../../core/errors.ts';
import { failureOfThrown } from '../../../net/call-outcome.ts';
import { retryAfterMs } from '../../../net/retry-after.ts';

/** How a call to Gmail failed. It holds nothing of the request or the answer but what decides about the next step. */
export class GmailFailure extends Error {
  override readonly name = 'GmailFailure';
  /** The HTTP status; null when no answer came. */
  readonly status: number | null;
  /** Google's word for it, e.g. `rateLimitExceeded` or `invalid_grant`, or the network's; empty when there was none. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  /** Of a call without an answer: false when nothing of it was sent. */
  readonly mayHaveHappened: boolean;

  constructor(status: number | null, reason = '', retryAfterMs?: number, mayHaveHappened = true) {
    super('the call to Gmail failed');
    this.mayHaveHappened = mayHaveHappened;
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

interface ErrorAnswer {
  readonly status?: unknown;
  readonly headers?: { get?: (name: string) => string | null };
  readonly data?: { readonly error?: ErrorBody };
}

/** Of Gmail; of Google's token endpoint it is a word. */
type ErrorBody = string | { readonly errors?: readonly { readonly reason?: unknown }[]; readonly status?: unknown };

/** Google's reasons are words in camel case, and those of its token endpoint in snake case. */
const REASON = /^[A-Za-z_]{1,64}$/;

const reasonIn = (body: ErrorBody | undefined): string => {
  const word = typeof body === 'string' ? body : (body?.errors?.[0]?.reason ?? body?.status);
  return typeof word === 'string' && REASON.test(word) ? word : '';
};

/**
 * What the client library threw, without what it holds: its errors carry the request with its token, and the text of
 * the answer. Two copies of the library are installed, so its error class says nothing.
 */
export function toFailure(error: unknown): GmailFailure {
  const answer = (error as { readonly response?: ErrorAnswer } | null)?.response;
  if (typeof answer?.status !== 'number') {
    const { kind, why } = failureOfThrown(error);
    return new GmailFailure(null, why === 'Error' ? '' : why, undefined, kind === 'ambiguous');
  }
  const waitMs = retryAfterMs(answer.headers?.get?.('retry-after'));
  return new GmailFailure(answer.status, reasonIn(answer.data?.error), waitMs);
}

/** Reasons of a 403 that pass (developers.google.com/workspace/gmail/api/guides/handle-errors). */
const passing: ReadonlySet<string> = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'dailyLimitExceeded',
  'quotaExceeded',
]);

/**
 * Whether the same call may succeed later. 401 is among it: the next attempt brings a fresh token, and an operator who
 * renews credentials within a minute loses nothing.
 */
export function isPassing({ status, reason }: GmailFailure): boolean {
  if (status === null || status >= 500) return true;
  return status === 401 || status === 408 || status === 429 || (status === 403 && passing.has(reason));
}

/** The failure of a reading call as a reader reports it; anything else as it is. */
export function sourceError(error: unknown): unknown {
  if (!(error instanceof GmailFailure)) return error;
  if (!isPassing(error)) {
    const text = 'Gmail refuses: credentials, scopes or the request are wrong';
    return new SallyportError('ERR_SOURCE_REJECTED', text, detailOfFailure(error));
  }
  return new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Gmail cannot answer now', detailOfFailure(error));
}

/** What an error keeps of a failed call. */
export const detailOfFailure = ({ status, reason, retryAfterMs }: GmailFailure): ErrorDetail => ({
  ...(reason !== '' ? { reason } : status !== null && { reason: `http_${status}` }),
  ...(status !== null && { status }),
  ...defined({ retryAfterMs }),
});
