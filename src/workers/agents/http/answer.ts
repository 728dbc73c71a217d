import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import { type HttpAnswer, httpAnswerSchema } from '../../../core/http-answer.ts';
import { OutboundError } from '../../../net/guard/reasons.ts';
import type { GuardedResponse } from '../../../net/guarded-fetch.ts';

/** What the agent made of a request. */
export type Answered =
  | { readonly kind: 'answer'; readonly answer: HttpAnswer }
  /** 202: it calls back. */
  | { readonly kind: 'later' };

/** Statuses after which the same request may succeed; every other 4xx will be answered the same again. */
const passing: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** @throws SallyportError ERR_AGENT_FAILED (try again), ERR_AGENT_REJECTED (somebody has to look) */
export function readAnswer(response: GuardedResponse, now: number): Answered {
  const { status } = response;
  if (status === 202) return { kind: 'later' };
  if (status === 204) return { kind: 'answer', answer: {} };
  if (status === 200) return { kind: 'answer', answer: parse(response) };
  if (status >= 500 || passing.has(status)) {
    const retryAfterMs = retryAfterOf(response.headers.get('retry-after'), now);
    throw failed('ERR_AGENT_FAILED', 'the http agent cannot answer now', undefined, retryAfterMs);
  }
  throw failed('ERR_AGENT_REJECTED', 'the http agent does not take the event');
}

function parse(response: GuardedResponse): HttpAnswer {
  try {
    return httpAnswerSchema.parse(response.json());
  } catch {
    // The cause would quote the answer.
    throw failed('ERR_AGENT_REJECTED', 'the answer of the http agent is none');
  }
}

/** Seconds or a date (RFC 9110, 10.2.3), as ms from now. */
function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** What a request that got no answer ends in. @returns what it was given when that is not about the request */
export function requestError(error: unknown): unknown {
  if (!(error instanceof OutboundError)) return error;
  switch (error.code) {
    case 'ERR_OUTBOUND_TIMEOUT':
      return failed('ERR_AGENT_TIMEOUT', 'the http agent took too long', error);
    case 'ERR_OUTBOUND_FAILED':
      return failed('ERR_AGENT_FAILED', 'the http agent could not be asked', error);
    case 'ERR_OUTBOUND_TOO_LARGE':
      return failed('ERR_AGENT_REJECTED', 'the answer of the http agent is too large', error);
    default:
      return error;
  }
}

/**
 * Whether a complete answer says that the agent did nothing: it refused the request (4xx) or cannot take any now (503).
 * Any other 5xx may come after its work, or from a proxy that does not know what became of the request.
 */
export const isUnserved = ({ status }: GuardedResponse): boolean => (status >= 400 && status < 500) || status === 503;

const failed = (code: ErrorCode, message: string, cause?: unknown, retryAfterMs?: number): SallyportError =>
  new SallyportError(code, message, { cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
