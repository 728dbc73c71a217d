import { createJwks } from '../../net/jwt/jwks.ts';
import type { ChannelModule } from '../module.ts';
import {
  createClientStates,
  createContentOpener,
  createGraphChannels,
  createPublisherVerifier,
  type EncryptionKey,
} from './index.ts';
import { type GraphConfig, graphSchema, graphTiming, graphWindow } from './settings.ts';

export const graphModule = {
  name: 'graph',
  samples: ['graph'],
  settings: graphSchema,
  window: graphWindow,
  timing: graphTiming,
  isHint: true,
  isBatch: true,
  hooks: [{ label: 'Graph', path: '' }],
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
  receive(graph, { windowMs, idKey, bodyLimit, outcomeHeaders, crypto, identifier, openFetch, clock }) {
    const { clientId, encryptionKeys = [], encryptionKeyIds } = graph;
    const jwks = createJwks({ url: graph.jwksUrl, fetch: openFetch([graph.jwksUrl]), clock });
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
