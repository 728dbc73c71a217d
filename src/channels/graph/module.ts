import type { Crypto } from '../../core/crypto/crypto.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import { createJwks } from '../../net/jwt/jwks.ts';
import type { Answer, Channel } from '../channel.ts';
import type { ChannelModule } from '../module.ts';
import { createContentOpener, type EncryptionKey, type OpenContent } from './read/decrypt.ts';
import { containerOf, createIdentify } from './receive/identify.ts';
import { receive, routeOf } from './receive/receive.ts';
import {
  type ClientStates,
  createClientStates,
  createItemVerifier,
  createPublisherVerifier,
  type VerifyPublisher,
} from './receive/verify.ts';
import { graphRemedies } from './remedies.ts';
import { type GraphConfig, graphSchema, graphTiming, graphWindow } from './settings.ts';

export const graphModule = {
  name: 'graph',
  samples: ['graph'],
  sampleChoices: ['user'],
  settings: graphSchema,
  window: graphWindow,
  timing: graphTiming,
  isHint: true,
  isBatch: true,
  remedies: graphRemedies,
  hooks: [{ label: 'Graph', path: '' }],
  onboarding: { hasSetup: true },
  isKept: true,
  publicUrlFor(graph) {
    const list = typeof graph === 'object' && graph !== null ? Reflect.get(graph, 'subscriptions') : undefined;
    return (typeof list === 'string' || Array.isArray(list)) && list.length > 0 ? 'to keep Graph subscriptions' : null;
  },
  withoutEffect: ({ clientId, clientSecret, encryptionKeys, subscriptions }) => [
    ...(clientId === undefined || clientSecret === undefined ? ['baseUrl', 'authorityUrl'] : []),
    ...(encryptionKeys === undefined ? ['encryptionKeyIds'] : []),
    ...(subscriptions.length === 0 ? ['encryptionCert'] : []),
  ],
  containerOf,
  receive(graph, { windowMs, idKey, bodyLimit, outcomeHeaders, crypto, identifier, openFetch, clock, keepAlive }) {
    const { clientId, encryptionKeys = [], encryptionKeyIds } = graph;
    const jwks = createJwks({ url: graph.jwksUrl, fetch: openFetch([graph.jwksUrl]), clock, keepAlive });
    const keys = encryptionKeys.map(
      (privateKey, at): EncryptionKey => ({ id: encryptionKeyIds[at] ?? '', privateKey }),
    );
    return createGraphChannels({
      crypto,
      identifier,
      states: createClientStates(crypto, idKey),
      entraTenantId: graph.tenantId,
      handMadeStates: graph.clientStates ?? [],
      verifyPublisher: clientId === undefined ? null : createPublisherVerifier({ jwks, clock, clientId }),
      openContent: keys.length === 0 ? null : createContentOpener(crypto, keys),
      windowMs,
      bodyLimit,
      outcomeHeaders: outcomeHeaders ?? false,
    });
  },
} as const satisfies ChannelModule<GraphConfig>;

interface GraphChannelDeps {
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
  const receiveDeps = {
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
      isProofInBody: true,
      receive: (delivery) => receive(delivery, route, receiveDeps),
      acknowledge: () => ({ status: 202 }),
      refuse: answerTo,
    };
  };
}

const RETRY_AFTER = { 'retry-after': '5' };
const UNAVAILABLE: Answer = { status: 503, headers: RETRY_AFTER };

/**
 * Graph's table. Whatever is not 2xx is sent again for four hours; there is no code that stops it, which is why items
 * that are not to be trusted never reach this table: they are quarantined and acknowledged.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_METHOD_NOT_ALLOWED: { status: 405, headers: { allow: 'POST' } },
  ERR_UNKNOWN_ROUTE: { status: 404 },
  ERR_BODY_TOO_LARGE: { status: 413 },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400 },
  ERR_RATE_LIMITED: { status: 429, headers: RETRY_AFTER },
};

/** Anything that is not in the table is our own trouble, and Graph should come back. */
const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
