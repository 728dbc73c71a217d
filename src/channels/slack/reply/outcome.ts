import { SallyportError } from '../../../core/errors.ts';
import { OutboundError } from '../../../net/guard/reasons.ts';
import { provesRefusal } from '../../shared/refusal-status.ts';

/** What a call to Slack came to. `why` is a bounded word for the log: Slack's error name, a status or an error code. */
export type CallOutcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** Slack certainly did not take it, and may later. */
  | { readonly kind: 'unavailable'; readonly why: string; readonly retryAfterMs?: number }
  /** Slack certainly will not take it. */
  | { readonly kind: 'rejected'; readonly why: string }
  /** Slack may or may not have taken it. */
  | { readonly kind: 'ambiguous'; readonly why: string };

export type CallFailure = Exclude<CallOutcome<never>, { kind: 'ok' }>;

/** A status other than 200. Slack answers refusals with 200, so these come from what stands before its API. */
export function failureOfStatus(status: number, retryAfter: string | null): CallFailure {
  const why = `http_${status}`;
  if (status === 429) return { kind: 'unavailable', why, ...retryAfterOf(retryAfter) };
  return { kind: provesRefusal(status) ? 'rejected' : 'ambiguous', why };
}

function retryAfterOf(header: string | null): { retryAfterMs?: number } {
  return header !== null && /^[0-9]{1,6}$/.test(header) ? { retryAfterMs: Number(header) * 1000 } : {};
}

/** `error` values after which the same call may succeed (docs.slack.dev/reference/methods/chat.postMessage). */
const transient: ReadonlySet<string> = new Set([
  'ratelimited',
  'rate_limited',
  'message_limit_exceeded',
  // The body was cut on its way to Slack.
  'request_timeout',
  'team_added_to_org',
  'external_channel_migrating',
]);

/**
 * Of the first two Slack says that "some aspect of the operation" may have succeeded; of the third it does not say that
 * nothing was done.
 */
const doubtful: ReadonlySet<string> = new Set(['internal_error', 'fatal_error', 'service_unavailable']);

/** `ok: false` with this `error`. Anything that is not one of Slack's words came from somewhere else. */
export function failureOfError(error: unknown): CallFailure {
  if (typeof error !== 'string' || !/^[a-z_]{1,64}$/.test(error)) return { kind: 'ambiguous', why: 'no_slack_answer' };
  if (doubtful.has(error)) return { kind: 'ambiguous', why: error };
  return { kind: transient.has(error) ? 'unavailable' : 'rejected', why: error };
}

/** The HTTP client's words for failures before the first byte of a request left. */
const beforeSending: ReadonlySet<string> = new Set([
  'dns-empty',
  'dns-failed',
  'connect-failed',
  'tls-failed',
  'client-closed',
]);

/** What `fetch`, or reading its response, threw. A request the guard refused was not sent and never will be. */
export function failureOfThrown(error: unknown): CallFailure {
  if (!(error instanceof OutboundError)) {
    return { kind: 'ambiguous', why: error instanceof Error ? error.name : 'unknown' };
  }
  const { code, reason } = error;
  if (beforeSending.has(reason)) return { kind: 'unavailable', why: reason };
  return { kind: code === 'ERR_OUTBOUND_BLOCKED' ? 'rejected' : 'ambiguous', why: reason };
}

/** The error a reply ends in. @returns an error for `unavailable` and `rejected` only. */
export const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Slack refuses the reply')
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Slack did not take the reply', {
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      });
