import type { InboundEvent } from '../../../core/event.ts';
import type { Identifier, IdentityPart } from '../../../core/identity.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { ParsedEvent } from '../../channel.ts';
import { idsOf, type ObjectRef } from '../resource.ts';

const DAY_MS = 86_400_000;

/**
 * How long a message is remembered: opening a mail after days sends `updated`, and a resync lists what is 30 days old.
 * The five days between are for what was accepted late.
 */
const OBJECT_WINDOW_MS = 35 * DAY_MS;

export interface IdentifyDeps {
  readonly identifier: Identifier;
  readonly entraTenantId: string;
  /** `SALLYPORT_WINDOW_GRAPH`, in ms. */
  readonly windowMs: number;
}

/** Whose event it is and when we learned of it. */
export interface Arrival {
  readonly tenant: string;
  readonly receivedAt: number;
}

/** How we came to know of an object, for the reader. */
export interface Source {
  /** The kept subscription's nonce. */
  readonly nonce: string | undefined;
  /** Graph's id of the subscription; absent for what a resync found. */
  readonly subscription: string | undefined;
}

export type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

/** Makes events of what Graph tells us and of what a resync finds: the same object is the same event either way. */
export interface Identify {
  object(ref: ObjectRef, source: Source, payload: JsonObject, arrival: Arrival): ParsedEvent;
  lifecycle(event: LifecycleEvent, source: Source & { subscription: string }, arrival: Arrival): ParsedEvent;
}

export function createIdentify({ identifier, entraTenantId, windowMs }: IdentifyDeps): Identify {
  const entraTenant = entraTenantId.toLowerCase();
  const scopeOf = (tenant: string): IdentityPart[] => ['graph', tenant, entraTenant];
  const base = ({ tenant, receivedAt }: Arrival) =>
    ({
      v: 1,
      id: identifier.eventId(receivedAt),
      tenant,
      channel: 'graph',
      receivedAt,
      mentioned: false,
      // Who wrote it stands in the object, which nobody has read yet.
      author: { id: 'unknown', kind: 'unknown' },
      text: '',
    }) as const satisfies Partial<InboundEvent>;
  return {
    object: (ref, source, payload, arrival) => ({
      event: {
        ...base(arrival),
        kind: 'message',
        // An etag would make a run of every label and every read mark, so the object itself is all its content.
        identity: identifier.identity(scopeOf(arrival.tenant), semanticOf(ref), []),
        windowMs: OBJECT_WINDOW_MS,
        conversation: identifier.conversation(scopeOf(arrival.tenant), conversationOf(ref)),
        destination: withoutUndefined({ ...ref, ...source }),
        payload,
      },
      capabilities: {},
      routingIds: [...idsOf(ref), ...(source.subscription === undefined ? [] : [source.subscription])],
    }),
    lifecycle: (event, source, arrival) => ({
      event: {
        ...base(arrival),
        kind: 'lifecycle',
        identity: identifier.identity(scopeOf(arrival.tenant), ['lifecycle', source.subscription, event], []),
        windowMs,
        // Two `missed` hours apart are two; a second one while the first still waits says nothing new.
        seenUntil: 'start',
        conversation: identifier.conversation(scopeOf(arrival.tenant), `lifecycle:${source.subscription}`),
        destination: withoutUndefined({ kind: 'lifecycle', event, ...source }),
        payload: { lifecycleEvent: event, subscriptionId: source.subscription },
      },
      capabilities: {},
      routingIds: [source.subscription],
    }),
  };
}

/** Neither the subscription nor the team takes part: overlapping subscriptions and shared channels name the same object. */
function semanticOf(ref: ObjectRef): IdentityPart[] {
  switch (ref.kind) {
    case 'mail':
      return ['mail', ref.mailbox, ref.message];
    case 'chat':
      return ['chat', ref.chat, ref.message];
    case 'channel':
      return ['channel', ref.channel, ref.root, ref.reply];
  }
}

function conversationOf(ref: ObjectRef): string {
  switch (ref.kind) {
    case 'mail':
      return `${ref.mailbox}:${ref.message}`;
    case 'chat':
      return ref.chat;
    case 'channel':
      return `${ref.channel}:${ref.root}`;
  }
}

/** The mailbox, the chat or the channel of an object, and the subscription of a lifecycle event. */
export function containerOf({ conversation, destination }: Omit<InboundEvent, 'sealed'>): string {
  const { kind, mailbox, chat, channel, subscription } = destination;
  const container = { mail: mailbox, chat, channel, lifecycle: subscription }[String(kind)];
  return typeof container === 'string' ? container : conversation.name;
}

const withoutUndefined = (fields: Readonly<Record<string, string | undefined>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined));
