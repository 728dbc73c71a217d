import type { Author, HeldReply, InboundEvent } from './event.ts';
import type { Identifier } from './identity.ts';

/** Which replies of a tenant wait for a person, and for whom. */
export interface ReviewPolicy {
  readonly replies: 'never' | 'always';
  /** From holding a reply until it can no longer be approved, in ms. */
  readonly expires: number;
  /** Subjects of tokens; empty: whoever has the scope. */
  readonly approvers: readonly string[];
}

/** A text on its way to where it would be sent. */
export interface ReviewedText extends Pick<HeldReply, 'text' | 'version' | 'generation'> {
  readonly event: Pick<InboundEvent, 'tenant' | 'id' | 'destination'>;
}

/**
 * Keyed, so nobody but this installation can make one. It covers the version: an edit makes a new digest even when it
 * leads back to an earlier text, and an approval of the earlier one stays worthless.
 */
export const replyDigest = (identifier: Identifier, { event, text, version, generation }: ReviewedText): string =>
  identifier.digest('review', [event.tenant, event.id, generation, version, JSON.stringify(event.destination), text]);

/** Names under which a token's subject may be the person who asked: as the channel says it, or with the channel before it. */
export const requesterNames = ({ id }: Author, channel: string): readonly string[] =>
  id === '' ? [] : [id, `${channel}:${id}`].map(sameCase);

/** Addresses and account names differ in case from one system to the next; here that must not make two people of one. */
export const sameCase = (name: string): string => name.trim().normalize('NFKC').toLowerCase();
