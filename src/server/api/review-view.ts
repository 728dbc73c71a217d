import type { EventRecord, HeldReply } from '../../core/event.ts';

/** An event whose reply was held for a person. */
export type HeldRecord = EventRecord & { readonly review: HeldReply };

const iso = (at: number): string => new Date(at).toISOString();

/** A held reply as the API shows it; the shape is public. `digest` stands for `text` and `destination` together. */
export function reviewView({ event, state, review }: HeldRecord) {
  const { digest, text, version, requester, editedBy, heldAt, expiresAt, decision } = review;
  return {
    id: event.id,
    tenant: event.tenant,
    channel: event.channel,
    conversation: event.conversation.name,
    state: state === 'review' ? ('waiting' as const) : (decision?.kind ?? ('expired' as const)),
    digest,
    text,
    destination: event.destination,
    version,
    question: event.text,
    requester,
    heldAt: iso(heldAt),
    expiresAt: iso(expiresAt),
    ...(editedBy === undefined ? {} : { editedBy }),
    ...(decision === undefined ? {} : { decision: { ...decision, at: iso(decision.at) } }),
  };
}
