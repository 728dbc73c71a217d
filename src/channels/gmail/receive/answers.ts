import { type ErrorCode, tokenErrorCodes } from '../../../core/errors.ts';
import type { Answer } from '../../channel.ts';

/** Pub/Sub takes exactly 102, 200, 201, 202 and 204 for an acknowledgement (cloud.google.com/pubsub/docs/push). */
export const TAKEN: Answer = { status: 204 };

/** Everything else makes Pub/Sub send again, slower and slower, for the whole subscription and up to 7 days. */
const UNAVAILABLE: Answer = { status: 503 };

/**
 * What can never succeed is taken, because a push that keeps failing would slow down every mailbox of the subscription.
 * A failed proof is not: it is bounded by Pub/Sub's retention, and lets an operator set an audience right without loss.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_BODY_TOO_LARGE: TAKEN,
  ERR_BODY_UNPARSABLE: TAKEN,
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_RATE_LIMITED: { status: 429 },
  ...Object.fromEntries(tokenErrorCodes.map((code) => [code, { status: 401 }])),
};

/** Anything that is not in the table is our own trouble, and Pub/Sub should come back. */
export const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
