import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Author, EventRecord, HeldReply, Run } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import { type ReviewPolicy, replyDigest } from '../../core/review.ts';
import type { JournalEntry } from '../../queue/journal.ts';
import type { Outcome } from '../../queue/lease.ts';
import type { Scrub } from '../../scrub/scrub.ts';

export interface ReviewDeps {
  readonly reviewPolicy: (tenant: string) => ReviewPolicy;
  readonly identifier: Identifier;
  readonly clock: Clock;
}

/** A reply as the agent gave it, cleaned. */
export interface Draft {
  readonly record: EventRecord;
  readonly text: string;
  /** Whoever asked, where the channel's reader knows better than the event. */
  readonly requester: Author | undefined;
}

export interface Asked {
  /** A person has approved exactly this. */
  readonly isApproved?: true;
  /** The agent wants a person to look. */
  readonly review?: true;
}

/** Whether a person has to see it first. What may be at the vendor already is past that: it is asked about, not held. */
export function needsReview(
  { isApproved, review }: Asked,
  { event }: EventRecord,
  earlier: JournalEntry | undefined,
  { reviewPolicy }: ReviewDeps,
): boolean {
  if (isApproved || earlier?.kind === 'intent' || earlier?.kind === 'result') return false;
  return review === true || reviewPolicy(event.tenant).replies === 'always';
}

/** Ends the run with its reply held; the store lets followers go on. */
export function holdReply(draft: Draft, ended: Omit<Run, 'outcome'>, deps: ReviewDeps): Outcome {
  const run: Run = { ...ended, outcome: 'review', reply: { text: draft.text, state: 'held' } };
  return { kind: 'review', run, review: heldReply(draft, deps) };
}

function heldReply({ record, text, requester }: Draft, { reviewPolicy, identifier, clock }: ReviewDeps): HeldReply {
  const { event, generation } = record;
  const heldAt = clock();
  const version = 1;
  return {
    text,
    digest: replyDigest(identifier, { event, generation, version, text }),
    version,
    generation,
    heldAt,
    expiresAt: heldAt + reviewPolicy(event.tenant).expires,
    requester: requester ?? event.author,
  };
}

/**
 * The text a person approved for this event, which is sent as it is and without asking the agent; null when there is
 * none. The digest is made anew from what is about to be sent and where: an approval covers nothing else.
 * @throws SallyportError ERR_REVIEW_CHANGED when it is not what was approved, or holds what the scrubber has learnt to
 * recognise since. A redrive then asks the agent again.
 */
export function approvedReply(
  { event, generation, review }: EventRecord,
  deps: {
    readonly identifier: Identifier;
    readonly scrub: Scrub;
  },
): string | null {
  if (review?.decision?.kind !== 'approved') return null;
  const { text, digest } = review;
  const isAsApproved = replyDigest(deps.identifier, { ...review, event }) === digest && deps.scrub(text).value === text;
  if (isAsApproved) return text;
  if (generation > review.generation) return null;
  throw new SallyportError('ERR_REVIEW_CHANGED', 'it is not what was approved');
}
