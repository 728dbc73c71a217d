import { SallyportError } from '../../../core/errors.ts';
import type { CallFailure } from '../../../net/call-outcome.ts';

/**
 * Refusals that pass: throttling (429), a conversation that is being written to (412), and a token that was revoked
 * (401), for which the next attempt gets another one.
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
 * Microsoft says to retry after a 5xx as well, but the connector knows no idempotency key, so that would at times post a
 * message twice.
 */
export const passingStatuses: ReadonlySet<number> = new Set([401, 412, 429]);

/** The error a reply ends in. */
export const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Teams refuses the reply')
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Teams did not take the reply', {
        ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      });
