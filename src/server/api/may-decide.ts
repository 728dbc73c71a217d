import { SallyportError } from '../../core/errors.ts';
import { type ReviewPolicy, requesterNames, sameCase } from '../../core/review.ts';
import type { HeldRecord } from './review-view.ts';

/**
 * Whether a token's subject may decide about a held reply. The list is the one that is configured now: who was taken off
 * it decides nothing any more.
 * @throws SallyportError ERR_REVIEW_NOT_APPROVER, ERR_REVIEW_OWN: it answers what they asked themselves
 */
export function mayDecide(subject: string, { event, review }: HeldRecord, { approvers }: ReviewPolicy): void {
  if (approvers.length > 0 && !approvers.includes(subject)) {
    throw new SallyportError('ERR_REVIEW_NOT_APPROVER', 'the subject is not among the approvers');
  }
  const asked = [review.requester, event.author].flatMap((author) => requesterNames(author, event.channel));
  if (asked.includes(sameCase(subject))) {
    throw new SallyportError('ERR_REVIEW_OWN', 'the subject is who asked');
  }
}
