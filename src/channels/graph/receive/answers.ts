import type { ErrorCode } from '../../../core/errors.ts';
import type { Answer } from '../../channel.ts';

const RETRY_AFTER = { 'retry-after': '5' };
const UNAVAILABLE: Answer = { status: 503, headers: RETRY_AFTER };

/**
 * Graph's table. Whatever is not 2xx is sent again for four hours; there is no code that stops it, which is why items
 * that are not to be trusted never reach this table: they are quarantined and acknowledged.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_METHOD_NOT_ALLOWED: { status: 405, headers: { allow: 'POST' } },
  ERR_UNKNOWN_ROUTE: { status: 404 },
  ERR_BODY_TOO_LARGE: { status: 413 },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400 },
  ERR_RATE_LIMITED: { status: 429, headers: RETRY_AFTER },
};

/** Anything that is not in the table is our own trouble, and Graph should come back. */
export const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
