import type { Crypto } from '../../core/crypto/crypto.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Channel } from '../channel.ts';
import type { OpenContent } from './read/decrypt.ts';
import { answerTo } from './receive/answers.ts';
import type { ClientStates } from './receive/client-state.ts';
import { createIdentify } from './receive/identify.ts';
import type { VerifyPublisher } from './receive/publisher.ts';
import { type ReceiveDeps, receive } from './receive/receive.ts';
import { routeOf } from './receive/route.ts';
import { createItemVerifier } from './receive/verify.ts';

export { createContentOpener, type EncryptionKey, type OpenContent } from './read/decrypt.ts';
export { type ClientStates, createClientStates } from './receive/client-state.ts';
export { createPublisherVerifier, type VerifyPublisher } from './receive/publisher.ts';

export interface GraphChannelDeps {
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  readonly states: ClientStates;
  /** The Entra tenant whose notifications are the tenant's. */
  readonly entraTenantId: string;
  /** Secrets of subscriptions somebody made by hand; they share the URLs without a nonce. */
  readonly handMadeStates: readonly string[];
  readonly verifyPublisher: VerifyPublisher | null;
  readonly openContent: OpenContent | null;
  /** How long a lifecycle notification is remembered, in ms. */
  readonly windowMs: number;
  /** Bytes. */
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
}

/** Microsoft Graph's change and lifecycle notifications: finds the channel behind what follows `/hooks/graph/{tenant}`. */
export function createGraphChannels(deps: GraphChannelDeps): (rest: readonly string[]) => Channel | null {
  const { crypto, states, entraTenantId, handMadeStates, verifyPublisher, openContent } = deps;
  const receiveDeps: ReceiveDeps = {
    verifierFor: createItemVerifier({ crypto, states, entraTenantId, handMadeStates }),
    identify: createIdentify(deps),
    verifyPublisher,
    openContent,
  };
  return (rest) => {
    const route = routeOf(rest);
    if (route === null) return null;
    return {
      name: 'graph',
      bodyLimit: deps.bodyLimit,
      outcomeHeaders: deps.outcomeHeaders,
      receive: (delivery) => receive(delivery, route, receiveDeps),
      acknowledge: () => ({ status: 202 }),
      refuse: answerTo,
    };
  };
}
