import type { InboundEvent } from '../../../core/event.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { Push } from './parse.ts';

/** Longer than the 30 days that a resync reaches back, so that it never runs a message again (in ms). */
const MESSAGE_WINDOW_MS = 35 * 86_400_000;

/** Longer than a round of polling; only two keepers that overlap could make the same poll twice (in ms). */
const POLL_WINDOW_MS = 3_600_000;

export interface IdentifyDeps {
  readonly identifier: Identifier;
  readonly tenant: string;
}

type Made = Pick<
  InboundEvent,
  'kind' | 'identity' | 'windowMs' | 'conversation' | 'receivedAt' | 'destination' | 'payload'
>;

/** A push, named by its subscription and Pub/Sub's message id. Pushes of one mailbox are one conversation. */
export function pushEvent(
  push: Push,
  subscription: string,
  windowMs: number,
  receivedAt: number,
  deps: IdentifyDeps,
): ParsedEvent {
  const { mailbox, historyId, messageId, publishedAt = null } = push;
  return eventOf(deps, [mailbox], {
    kind: 'push',
    identity: deps.identifier.identity(['gmail', deps.tenant], ['push', subscription, messageId], [mailbox, historyId]),
    windowMs,
    conversation: mailboxConversation(mailbox, deps),
    receivedAt,
    destination: { mailbox },
    payload: { mailbox, historyId, publishedAt },
  });
}

/** A look at a mailbox without a push. `slot` numbers the time it was due, so that it happens once. */
export function pollEvent(mailbox: string, slot: number, receivedAt: number, deps: IdentifyDeps): ParsedEvent {
  return eventOf(deps, [mailbox], {
    kind: 'poll',
    identity: deps.identifier.identity(['gmail', deps.tenant], ['poll', mailbox, slot], []),
    windowMs: POLL_WINDOW_MS,
    conversation: mailboxConversation(mailbox, deps),
    receivedAt,
    destination: { mailbox },
    payload: { mailbox },
  });
}

/** A message as a mailbox lists it. */
export interface ListedMessage {
  readonly id: string;
  readonly threadId: string;
}

/**
 * A message, named by its Gmail id, which never changes within its mailbox; labels and history ids do, so they say
 * nothing about its content. Messages of one thread are one conversation.
 */
export function messageEvent(
  mailbox: string,
  message: ListedMessage,
  receivedAt: number,
  deps: IdentifyDeps,
): ParsedEvent {
  const { id, threadId } = message;
  return eventOf(deps, [mailbox, id, threadId], {
    kind: 'message',
    identity: deps.identifier.identity(['gmail', deps.tenant], ['message', mailbox, id], []),
    windowMs: MESSAGE_WINDOW_MS,
    conversation: deps.identifier.conversation(['gmail', deps.tenant], `${mailbox}:${threadId}`),
    receivedAt,
    destination: { mailbox, messageId: id, threadId },
    payload: { mailbox, messageId: id, threadId },
  });
}

/** The mailbox, which every event of this channel names. */
export const containerOf = ({ conversation, destination }: Omit<InboundEvent, 'sealed'>): string =>
  typeof destination.mailbox === 'string' ? destination.mailbox : conversation.name;

const mailboxConversation = (mailbox: string, { identifier, tenant }: IdentifyDeps) =>
  identifier.conversation(['gmail', tenant], mailbox);

const eventOf = ({ identifier, tenant }: IdentifyDeps, routingIds: readonly string[], made: Made): ParsedEvent => ({
  event: {
    v: 1,
    id: identifier.eventId(made.receivedAt),
    tenant,
    channel: 'gmail',
    mentioned: false,
    author: { id: 'gmail', kind: 'app' },
    text: '',
    ...made,
  },
  capabilities: {},
  routingIds,
});
