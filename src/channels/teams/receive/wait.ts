import type { DeliveryHeaders } from '../../channel.ts';
import type { Candidate } from './candidate.ts';

/** Below the 5 s that Teams waits for an outgoing webhook and for a message extension. */
const SHORT_MS = 4_500;
/** Below the 15 s that the connector waits for anything else before it sends the activity again. */
const LONG_MS = 12_000;

/**
 * How long the answer to a request that is passed on is awaited, in ms. It can only shorten what the sender itself waits, so
 * that a reply is never recorded as given to a sender that was answered already.
 */
export const WAIT_HEADER = 'x-sallyport-wait';

const WAIT = /^[1-9]\d{0,5}$/;

/** How long the sender of such an activity is kept waiting, in ms; undefined where it is not. */
export function waitMsOf({ answerBy }: Pick<Candidate, 'answerBy'>, headers: DeliveryHeaders): number | undefined {
  if (answerBy === 'message') return undefined;
  const own = answerBy === 'replies' ? LONG_MS : SHORT_MS;
  const given = headers.get(WAIT_HEADER) ?? '';
  return WAIT.test(given) ? Math.min(own, Number(given)) : own;
}
