import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import { provesRefusal } from '../../shared/refusal-status.ts';

/** What a call to Microsoft came to. `why` is a bounded word for the log: a status or a word of the HTTP client. */
export type CallOutcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** It certainly was not taken, and may be later. */
  | { readonly kind: 'unavailable'; readonly why: string; readonly retryAfterMs?: number }
  /** It certainly will never be taken. */
  | { readonly kind: 'rejected'; readonly why: string }
  /** It may or may not have been taken. */
  | { readonly kind: 'ambiguous'; readonly why: string };

export type CallFailure = Exclude<CallOutcome<never>, { kind: 'ok' }>;

/**
 * Refusals that pass: throttling (429), a conversation that is being written to (412), and a token that was revoked
 * (401), for which the next attempt gets another one.
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
 */
const passing: ReadonlySet<number> = new Set([401, 412, 429]);

/**
 * A response that is not a success. Microsoft says to retry after a 5xx, but the connector knows no idempotency key, so
 * that would at times post a message twice.
 */
export function failureOfStatus(status: number, retryAfter: string | null): CallFailure {
  const why = `http_${status}`;
  if (passing.has(status)) return { kind: 'unavailable', why, ...retryAfterOf(retryAfter) };
  return { kind: provesRefusal(status) ? 'rejected' : 'ambiguous', why };
}

function retryAfterOf(header: string | null): { retryAfterMs?: number } {
  return header !== null && /^[0-9]{1,6}$/.test(header) ? { retryAfterMs: Number(header) * 1000 } : {};
}

/** The HTTP client's words for failures before the first byte of a request left. */
const beforeSending: ReadonlySet<string> = new Set(['dns-empty', 'dns-failed', 'connect-failed', 'tls-failed']);

/** What `fetch`, or reading its response, threw. A request the guard refused was not sent and never will be. */
export function failureOfThrown(error: unknown): CallFailure {
  const code: ErrorCode | undefined = error instanceof SallyportError ? error.code : undefined;
  const reason = error instanceof Error && 'reason' in error && typeof error.reason === 'string' ? error.reason : '';
  if (beforeSending.has(reason)) return { kind: 'unavailable', why: reason };
  if (code === 'ERR_OUTBOUND_BLOCKED') return { kind: 'rejected', why: reason };
  return { kind: 'ambiguous', why: reason || (error instanceof Error ? error.name : 'unknown') };
}

/** The error a reply ends in. */
export const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Teams refuses the reply')
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Teams did not take the reply', {
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      });
