import { defined } from '../core/defined.ts';
import type { ErrorDetail } from '../core/errors.ts';
import { OutboundError, type OutboundReason } from './guard/reasons.ts';
import { retryAfterMs } from './retry-after.ts';

/**
 * What a call came to that has an effect at the other side: did it happen? `why` is a bounded word for the log: a status,
 * a vendor's own word, or one of the HTTP client.
 */
export type CallOutcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** It certainly did not happen, and may succeed later. */
  | { readonly kind: 'unavailable'; readonly why: string; readonly retryAfterMs?: number }
  /** It certainly did not happen and never will. */
  | { readonly kind: 'rejected'; readonly why: string }
  /** It may or may not have happened. */
  | { readonly kind: 'ambiguous'; readonly why: string };

export type CallFailure = Exclude<CallOutcome<never>, { kind: 'ok' }>;

/**
 * Whether an HTTP status proves that a request that posts was not carried out. A client error does, except 408, and so
 * do 307 and 308, which say that the same request is to be made elsewhere. A 5xx may come after the effect, from the
 * server or from a gateway before it; so may any other redirect.
 */
export const provesRefusal = (status: number): boolean =>
  (status >= 400 && status < 500 && status !== 408) || status === 307 || status === 308;

/** A complete answer that is no success. `passing`: the vendor's refusals that pass; they must prove one. */
export function failureOfAnswer(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  passing: ReadonlySet<number>,
): CallFailure {
  const why = `http_${status}`;
  if (passing.has(status)) {
    const waitMs = retryAfterMs(headers.get('retry-after'));
    return { kind: 'unavailable', why, ...defined({ retryAfterMs: waitMs }) };
  }
  return { kind: provesRefusal(status) ? 'rejected' : 'ambiguous', why };
}

/** What an error keeps of a failure. */
export const detailOf = (failure: CallFailure): ErrorDetail => {
  const status = /^(?:token_)?http_(\d{3})$/.exec(failure.why)?.[1];
  return {
    reason: failure.why,
    ...(status !== undefined && { status: Number(status) }),
    ...(failure.kind === 'unavailable' && defined({ retryAfterMs: failure.retryAfterMs })),
  };
};

/** Failures before the first byte of a request left. */
const beforeSending: ReadonlySet<string> = new Set<OutboundReason>([
  'dns-empty',
  'dns-failed',
  'connect-failed',
  'tls-failed',
  'proxy-unreachable',
  'proxy-unauthorized',
  'proxy-refused',
  'client-closed',
]);

/**
 * What a guarded `fetch`, reading its answer, or a library around it threw. A time limit, an abort and a lost connection
 * leave it open, whatever was sent by then; so does a refusal at a redirect, which came after a first request.
 */
export function failureOfThrown(error: unknown): CallFailure {
  const outbound = outboundErrorIn(error, 5);
  if (outbound === null) return { kind: 'ambiguous', why: error instanceof Error ? error.name : 'unknown' };
  const { code, reason: why } = outbound;
  if (beforeSending.has(why)) return { kind: 'unavailable', why };
  const isRefused = code === 'ERR_OUTBOUND_BLOCKED' && !why.startsWith('redirect-');
  return { kind: isRefused ? 'rejected' : 'ambiguous', why };
}

/** The error itself, or the one in its chain of causes: libraries wrap what `fetch` threw. */
function outboundErrorIn(error: unknown, depth: number): OutboundError | null {
  if (error instanceof OutboundError) return error;
  if (!(error instanceof Error) || depth === 0) return null;
  return outboundErrorIn(error.cause, depth - 1);
}
