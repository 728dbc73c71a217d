import type { ErrorCode } from '../../../core/errors.ts';
import type { Answer } from '../../channel.ts';

/** Stops Slack's retries of this one event; only heard on a status other than 200 (docs.slack.dev/apis/events-api). */
const NO_RETRY = { 'x-slack-no-retry': '1' };

/** Slack keeps to its own timetable (0, 1 and 5 minutes); the header is for proxies and people. */
const RETRY_AFTER = { 'retry-after': '5' };

const UNAUTHORIZED: Answer = { status: 401 };
const UNAVAILABLE: Answer = { status: 503, headers: RETRY_AFTER };

/**
 * Slack's table. A failed proof gets no `x-slack-no-retry`: while a signing secret is being replaced, the retries are
 * what saves the events. What can never succeed gets one.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_METHOD_NOT_ALLOWED: { status: 405, headers: { allow: 'POST' } },
  ERR_UNKNOWN_ROUTE: { status: 404 },
  ERR_BODY_TOO_LARGE: { status: 413, headers: NO_RETRY },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400, headers: NO_RETRY },
  ERR_SIGNATURE_MISSING: UNAUTHORIZED,
  ERR_SIGNATURE_MALFORMED: UNAUTHORIZED,
  ERR_SIGNATURE_MISMATCH: UNAUTHORIZED,
  ERR_TIMESTAMP_MALFORMED: UNAUTHORIZED,
  ERR_TIMESTAMP_OUTSIDE_TOLERANCE: UNAUTHORIZED,
  ERR_RATE_LIMITED: { status: 429, headers: RETRY_AFTER },
};

/** Anything that is not in the table is our own trouble, and Slack should come back. */
export const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
