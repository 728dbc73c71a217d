import type { Answer } from '../../channels/channel.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, SallyportError, statusOf, titleOf } from '../../core/errors.ts';

/** Seconds after which a sender that honours it should come back (RFC 9110, 10.2.3). */
const RETRY_AFTER_SECONDS = '5';

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

/** Statuses of answers that say what to change. What went wrong on our side is in the log, by the request's id. */
const explained: ReadonlySet<number> = new Set([400, 403, 404, 409, 412]);

/**
 * RFC 9457 problem details of anything thrown. The texts are ours; nothing the caller sent is in them. `errors` has each
 * field that is wrong.
 */
export function problem(error: unknown, requestId: string): Response {
  const code = codeOf(error);
  const status = statusOf(code);
  const { message = '', detail = {} } = error instanceof SallyportError ? error : {};
  const body = JSON.stringify({
    type: 'about:blank',
    title: titleOf(code),
    status,
    code,
    ...(explained.has(status) && message !== '' && { detail: message }),
    ...defined({ errors: detail.errors }),
    requestId,
  });
  const challenge = challengeOf(status, detail);
  const headers = {
    'content-type': 'application/problem+json',
    ...defined({ 'www-authenticate': challenge }),
    ...(detail.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(detail.retryAfterMs / 1_000)) }),
  };
  return toResponse({ status, body, headers }, requestId);
}

/** RFC 6750, 3: without a token there is nothing to say about one. */
function challengeOf(status: number, { isTokenInvalid, scope }: SallyportError['detail']): string | undefined {
  if (status === 401) return isTokenInvalid === true ? 'Bearer error="invalid_token"' : 'Bearer';
  if (status === 403 && scope !== undefined) return `Bearer error="insufficient_scope", scope="${scope}"`;
  return undefined;
}
