import type { InboundEvent } from '../../../core/event.ts';
import type { Identifier } from '../../../core/identity.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../core/json/json-text.ts';
import type { Delivery, ParsedEvent } from '../../channel.ts';
import { destinationOf, REFERENCE } from '../reply/destination.ts';
import type { Candidate } from './candidate.ts';

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
  waitMs: number | undefined,
  { identifier, appName, windowMs }: IdentifyDeps,
): ParsedEvent {
  const scope = ['teams', tenant, appName];
  const { author, reference, answerBy } = candidate;
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

/** Teams names a thread of a channel `{channel};messageid={root}`. */
const THREAD = ';messageid=';

/** The conversation, and for a thread the channel that holds it. */
export const containerOf = ({ conversation }: Omit<InboundEvent, 'sealed'>): string =>
  conversation.name.split(THREAD, 1)[0] ?? conversation.name;

/**
 * What lets its holder act for somebody: where the bot's replies go (`serviceUrl`), single sign-on tokens
 * (`signin/tokenExchange`), and the links of file consents and attachments, which carry their own permission. Only texts:
 * an object of such a name is somebody's form field.
 */
const capabilities: ReadonlySet<string> = new Set(['serviceUrl', 'token', 'accessToken', 'downloadUrl', 'uploadUrl']);

export const isCapability = (name: string): boolean => capabilities.has(name);

/** Takes the capabilities out of an activity, in place: it is our own parse of the body and nobody else holds it. */
function removeCapabilities(activity: JsonObject): JsonObject {
  removeFrom(activity as Record<string, JsonValue>);
  return activity;
}

function removeFrom(node: Record<string, JsonValue>): void {
  for (const name of Object.keys(node)) {
    const value = node[name];
    if (typeof value === 'string' && isCapability(name)) delete node[name];
    else if (isJsonObject(value) || Array.isArray(value)) removeFrom(value as Record<string, JsonValue>);
  }
}
