import type { Author } from '../../../core/event.ts';
import type { IdentityPart } from '../../../core/identity.ts';
import { isId } from '../ids.ts';
import type { ConversationReference } from '../reply/destination.ts';
import type { TeamsCandidate } from './policy.ts';

/** How the sender wants its answer: later by a message of ours, or in the response to this very request. */
export type AnswerBy = 'message' | 'invoke' | 'replies' | 'webhook';

/** An activity that could be run, read but not yet claimed. */
export interface Candidate extends TeamsCandidate {
  readonly author: Author;
  readonly text: string;
  /** What makes it the same event, below channel, tenant and app. */
  readonly semantic: readonly IdentityPart[];
  /** What an agent would act on: two deliveries that differ here are a conflict. */
  readonly content: readonly IdentityPart[];
  readonly conversation: string;
  /** Every id above, and nothing else. */
  readonly ids: readonly string[];
  readonly answerBy: AnswerBy;
  /** The operation of an invoke; decides the shape of its answer. */
  readonly operation: string;
  /** Absent for outgoing webhooks, which take their answer in the response or not at all. */
  readonly reference: ConversationReference | undefined;
}

/** False when an id may not become a name, a key or a part of a URL. */
export const hasSafeIds = ({ ids }: Candidate): boolean => ids.every(isId);
