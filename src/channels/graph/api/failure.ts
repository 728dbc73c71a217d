import { SallyportError } from '../../../core/errors.ts';
import type { GraphAnswer, GraphApi, GraphRequest } from './graph-api.ts';

export const isOk = ({ status }: GraphAnswer): boolean => status >= 200 && status < 300;

/**
 * Refusals that pass: throttling, a token that was revoked (the next call brings another one), a request that did not
 * arrive in time, a mailbox that is being moved (423), and whatever a server could not do.
 */
const passing: ReadonlySet<number> = new Set([401, 408, 423, 429]);

/** The error of a reading call that was refused; 404 and 409 mean something to most callers and come before this. */
function sourceError({ status, retryAfterMs }: GraphAnswer): SallyportError {
  if (passing.has(status) || status >= 500) {
    const detail = retryAfterMs === undefined ? {} : { retryAfterMs };
    return new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph cannot say now', detail);
  }
  return new SallyportError('ERR_SOURCE_REJECTED', 'Graph refuses: permissions or the request are wrong');
}

/** What a reading call threw, as its reader reports it. */
function asSourceError(error: unknown): unknown {
  if (!(error instanceof SallyportError) || error.code !== 'ERR_OUTBOUND_FAILED') return error;
  return new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph could not be reached', { cause: error });
}

/**
 * Asks where asking again does no harm. Answers 2xx and those the caller has a use for.
 * @throws SallyportError ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_REJECTED
 */
export async function ask(api: GraphApi, request: GraphRequest, useful: readonly number[] = []): Promise<GraphAnswer> {
  const answer = await api(request).catch((error: unknown) => {
    throw asSourceError(error);
  });
  if (isOk(answer) || useful.includes(answer.status)) return answer;
  throw sourceError(answer);
}
