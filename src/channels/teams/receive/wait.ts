import { type DeliveryHeaders, WAIT_HEADER } from '../../channel.ts';
import type { Candidate } from './candidate.ts';

/** Below the 5 s that Teams waits for an outgoing webhook and for a message extension. */
const SHORT_MS = 4_500;
/** Below the 15 s that the connector waits for anything else before it sends the activity again. */
const LONG_MS = 12_000;

const WAIT = /^[1-9]\d{0,5}$/;

/** How long the sender of such an activity is kept waiting, in ms; undefined where it is not. */
export function waitMsOf({ answerBy }: Pick<Candidate, 'answerBy'>, headers: DeliveryHeaders): number | undefined {
  if (answerBy === 'message') return undefined;
  const own = answerBy === 'replies' ? LONG_MS : SHORT_MS;
  const given = headers.get(WAIT_HEADER) ?? '';
  return WAIT.test(given) ? Math.min(own, Number(given)) : own;
}
