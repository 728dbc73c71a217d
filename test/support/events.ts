import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { type Conversation, type InboundEvent, noUsage, type Run } from '../../src/core/event.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import type { ConversationRef } from '../../src/queue/lease.ts';

const identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));

let made = 0;

/** A conversation by its readable name. The same name is the same conversation. */
export const conversationNamed = (name: string, tenant = 'acme'): Conversation =>
  identifier.conversation(['slack', tenant], name);

/** Makes events as a channel would: every call another message, in a conversation of its own unless one is given. */
export type EventMaker = (overrides?: Partial<InboundEvent>) => InboundEvent;

export function createEventMaker(now: () => number): EventMaker {
  return (overrides = {}) => {
    made += 1;
    const tenant = overrides.tenant ?? 'acme';
    return {
      v: 1,
      id: identifier.eventId(now()),
      tenant,
      channel: 'slack',
      kind: 'message',
      identity: identifier.identity(['slack', tenant], [made], ['hello']),
      windowMs: 72 * 3_600_000,
      conversation: conversationNamed(`C${made}`, tenant),
      receivedAt: now(),
      mentioned: false,
      author: { id: 'U1', kind: 'user' },
      text: `message ${made}`,
      destination: { channel: 'C1' },
      payload: { type: 'message', text: `message ${made}` },
      sealed: {},
      ...overrides,
    };
  };
}

/** The same happening delivered again: a fresh delivery id, the same identity. */
export const deliveredAgain = (event: InboundEvent, overrides: Partial<InboundEvent> = {}): InboundEvent => ({
  ...event,
  id: identifier.eventId(event.receivedAt),
  ...overrides,
});

/** The same identity key with other content. */
export const altered = (event: InboundEvent, text = 'another text'): InboundEvent =>
  deliveredAgain(event, {
    text,
    identity: { key: event.identity.key, fingerprint: identifier.digest('altered', [event.identity.key, text]) },
  });

export const conversationOf = (event: InboundEvent): ConversationRef => ({
  tenant: event.tenant,
  key: event.conversation.key,
});

/** An attempt as a worker reports it. */
export const runEnding = (outcome: Run['outcome'], overrides: Partial<Run> = {}): Run => ({
  startedAt: 1,
  finishedAt: 2,
  outcome,
  usage: noUsage,
  ...overrides,
});
