import { SallyportError } from '../../core/errors.ts';
import type { EventRecord } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import { replyDigest } from '../../core/review.ts';
import type { Scrub } from '../../scrub/scrub.ts';

export interface ApprovedDeps {
  readonly identifier: Identifier;
  readonly scrub: Scrub;
}

/**
 * The text a person approved for this event, which is sent as it is and without asking the agent; null when there is
 * none. The digest is made anew from what is about to be sent and where: an approval covers nothing else.
 * @throws SallyportError ERR_REVIEW_CHANGED when it is not what was approved, or holds what the scrubber has learnt to
 * recognise since. A redrive then asks the agent again.
 */
export function approvedReply({ event, generation, review }: EventRecord, deps: ApprovedDeps): string | null {
  if (review?.decision?.kind !== 'approved') return null;
  const { text, digest } = review;
  const isAsApproved = replyDigest(deps.identifier, { ...review, event }) === digest && deps.scrub(text).value === text;
  if (isAsApproved) return text;
  if (generation > review.generation) return null;
  throw new SallyportError('ERR_REVIEW_CHANGED', 'it is not what was approved');
}
