import { SallyportError } from '../../../core/errors.ts';
import type { CallFailure } from '../../../net/call-outcome.ts';

/** Slack answers refusals with 200; these come from what stands before its API, and from its rate limits. */
export const passingStatuses: ReadonlySet<number> = new Set([429]);

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

/** The error a reply ends in. @returns an error for `unavailable` and `rejected` only. */
export const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Slack refuses the reply')
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Slack did not take the reply', {
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      });
