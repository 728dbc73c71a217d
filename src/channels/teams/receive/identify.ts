import type { Identifier } from '../../../core/identity.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import type { Delivery, ParsedEvent } from '../../channel.ts';
import { waitMsOf } from '../reply/await-answer.ts';
import { destinationOf, REFERENCE } from '../reply/destination.ts';
import type { Candidate } from './candidate.ts';
import { removeCapabilities } from './clean.ts';

export interface IdentifyDeps {
  readonly identifier: Identifier;
  /** Names the bot, or the tenant's outgoing webhooks, in identities. Stable, because they hang on it. */
  readonly appName: string;
  /** How long an identity is remembered, in milliseconds. */
  readonly windowMs: number;
}

/** Makes the event of a candidate: identity, conversation, and the payload without its capabilities. */
export function identify(
  candidate: Candidate,
  payload: JsonObject,
  { tenant, receivedAt }: Pick<Delivery, 'tenant' | 'receivedAt'>,
  { identifier, appName, windowMs }: IdentifyDeps,
): ParsedEvent {
  const scope = ['teams', tenant, appName];
  const { author, reference, answerBy } = candidate;
  const waitMs = waitMsOf(candidate);
  return {
    event: {
      v: 1,
      id: identifier.eventId(receivedAt),
      tenant,
      channel: 'teams',
      kind: candidate.activityType,
      identity: identifier.identity(scope, candidate.semantic, candidate.content),
      windowMs,
      conversation: identifier.conversation(scope, candidate.conversation),
      receivedAt,
      mentioned: candidate.mentioned,
      author,
      text: candidate.text,
      destination: destinationOf(waitMs === undefined ? undefined : receivedAt + waitMs),
      payload: removeCapabilities(payload),
    },
    capabilities: answerBy === 'message' && reference !== undefined ? { [REFERENCE]: JSON.stringify(reference) } : {},
    routingIds: candidate.ids,
  };
}
