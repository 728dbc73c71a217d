import type { Channel } from '../channels/channel.ts';
import {
  type ClientStates,
  createClientStates,
  createContentOpener,
  createGraphChannels,
  createPublisherVerifier,
  type EncryptionKey,
} from '../channels/graph/index.ts';
import type { GraphConfig } from '../channels/graph/settings.ts';
import type { Config } from '../config/schema.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import { SallyportError } from '../core/errors.ts';
import { createJwks } from '../net/jwt/jwks.ts';
import type { ChannelDeps } from './channel-deps.ts';

/** The secrets of the subscriptions we keep, on whichever side of the queue they are needed. */
export function clientStatesOf({ keys }: Config, crypto: Crypto): ClientStates {
  if (keys.id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  return createClientStates(crypto, keys.id);
}

/** The channels of one tenant's Entra app. */
export function graphChannels(
  graph: GraphConfig,
  config: Config,
  { crypto, identifier, clients, clock }: ChannelDeps,
): (rest: readonly string[]) => Channel | null {
  const { clientId, encryptionKeys = [], encryptionKeyIds } = graph;
  const { fetch } = clients.open('vendor', [graph.jwksUrl]);
  const jwks = createJwks({ url: graph.jwksUrl, fetch, clock });
  const keys = encryptionKeys.map((privateKey, at): EncryptionKey => ({ id: encryptionKeyIds[at] ?? '', privateKey }));
  return createGraphChannels({
    crypto,
    identifier,
    states: clientStatesOf(config, crypto),
    entraTenantId: graph.tenantId,
    handMadeStates: graph.clientStates ?? [],
    verifyPublisher: clientId === undefined ? null : createPublisherVerifier({ jwks, clock, clientId }),
    openContent: keys.length === 0 ? null : createContentOpener(crypto, keys),
    windowMs: config.windows.graph,
    bodyLimit: config.server.graphBodyLimit,
    outcomeHeaders: config.server.outcomeHeaders ?? false,
  });
}
