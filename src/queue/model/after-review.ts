import type { EventRecord, HeldReply, ReviewDecision, Run } from '../../core/event.ts';
import type { ReviewAction } from '../reviews.ts';

/** What an action makes of a held reply. */
export function afterAction(held: HeldReply, action: ReviewAction): HeldReply {
  switch (action.kind) {
    case 'edit':
      return { ...held, text: action.text, digest: action.digest, version: held.version + 1, editedBy: action.by };
    case 'approve':
      return { ...held, decision: { kind: 'approved', by: action.by, at: action.at } };
    case 'reject': {
      const decision: ReviewDecision = { kind: 'rejected', by: action.by, at: action.at };
      const { reason } = action;
      return { ...held, decision: reason === undefined ? decision : { ...decision, reason } };
    }
  }
}

/** The run that ended with a reply nobody will send. */
export const rejectedRun = ({ reply, ...run }: Run): Run => ({
  ...run,
  outcome: 'rejected',
  ...(reply === undefined ? {} : { reply: { ...reply, state: 'rejected' } }),
});

/** The latest run of an event whose reply was delivered after all. */
export function deliveredRun({ runs }: EventRecord, text: string): Run | undefined {
  const last = runs.at(-1);
  return last && { ...last, reply: { text, state: 'delivered' } };
}
