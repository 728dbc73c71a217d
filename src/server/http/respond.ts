import type { Answer } from '../../channels/channel.ts';
import { type ErrorCode, tokenErrorCodes } from '../../core/errors.ts';

/** Seconds after which a sender that honours it should come back (RFC 9110, 10.2.3). */
const RETRY_AFTER_SECONDS = '5';

/** Statuses of codes that mean the same to every sender and every API caller. */
const statuses: Partial<Record<ErrorCode, number>> = {
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_UNKNOWN_ROUTE: 404,
  ERR_NOT_FOUND: 404,
  ERR_BODY_TOO_LARGE: 413,
  ERR_BODY_TIMEOUT: 408,
  ERR_BODY_ABORTED: 400,
  ERR_BODY_UNPARSABLE: 400,
  ERR_INVALID_REQUEST: 400,
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_WRONG_STATE: 409,
  ERR_REPLY_DELIVERED: 409,
  ERR_AMBIGUOUS_EFFECT: 409,
  ERR_REVIEW_CHANGED: 409,
  ERR_REVIEW_EXPIRED: 409,
  ERR_REVIEW_OWN: 403,
  ERR_REVIEW_NOT_APPROVER: 403,
  ERR_GUARDRAIL_BLOCKED: 422,
  ERR_RATE_LIMITED: 429,
  ERR_STORE_UNAVAILABLE: 503,
  ERR_REPLICAS_MISSING: 503,
  ERR_QUEUE_FULL: 503,
  ERR_SHUTTING_DOWN: 503,
};

/** The status of a code where no sender's own table applies. Whatever we did not foresee is 503: the sender retries. */
const statusOf = (code: ErrorCode): number => statuses[code] ?? 503;

/** Codes after which a failed request says nothing about the source: the body of an honest sender may be cut. */
const unprovenCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_SIGNATURE_MISSING',
  'ERR_SIGNATURE_MALFORMED',
  'ERR_SIGNATURE_MISMATCH',
  'ERR_TIMESTAMP_MALFORMED',
  'ERR_TIMESTAMP_OUTSIDE_TOLERANCE',
  ...tokenErrorCodes,
]);

/** True for a delivery that failed its proof; only those count against their source. */
export const isFailedProof = (code: ErrorCode): boolean => unprovenCodes.has(code);

/** An answer as a Response, with the headers every answer of ours carries. */
export function toResponse(answer: Answer, requestId: string, extra?: Readonly<Record<string, string>>): Response {
  const headers: Record<string, string> = { 'x-request-id': requestId };
  if (answer.headers !== undefined) Object.assign(headers, answer.headers);
  if (extra !== undefined) Object.assign(headers, extra);
  if ((answer.status === 503 || answer.status === 429) && headers['retry-after'] === undefined) {
    headers['retry-after'] = RETRY_AFTER_SECONDS;
  }
  return new Response(answer.body ?? null, { status: answer.status, headers });
}

/** RFC 9457 problem details. `title` is ours; nothing the caller sent is in it. */
export function problem(code: ErrorCode, title: string, requestId: string, headers?: Record<string, string>): Response {
  const status = statusOf(code);
  const body = JSON.stringify({ type: 'about:blank', title, status, code, requestId });
  return toResponse({ status, body, headers: { 'content-type': 'application/problem+json', ...headers } }, requestId);
}
