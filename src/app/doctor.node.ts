import type { Check } from '../channels/module.node.ts';
import { plugs } from '../channels/registry.node.ts';
import type { Examine } from '../cli/commands/serve.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto as crypto } from '../core/crypto/crypto.node.ts';
import { createIdentifier } from '../core/identity.ts';
import { createRelayKeys } from '../core/relay.ts';
import { type Clients, createClients, vendorFetch } from '../net/clients.ts';
import { isReachable } from '../ops/probes.ts';
import { linkWarnings } from '../queue/redis/client/url.ts';
import { examineTls } from '../server/http/tls.node.ts';
import { configuredChannels } from './channels.ts';
import { modelExaminations } from './model.node.ts';
import { redisWarnings, storeIsDurable, untrustedProxies } from './store.node.ts';

/** What `sallyport doctor` looks at, one entry a line. */
export const examine: Examine = async (config, { withStore = true } = {}) => {
  const clients = createClients({ proxy: config.outbound.proxy });
  return [
    ...(withStore
      ? [
          { name: 'store', run: () => storeIsDurable(config) },
          { name: 'proxies', run: () => untrustedProxies(config) },
        ]
      : []),
    ...redisWarnings(config).map((text) => ({
      name: 'SALLYPORT_REDIS_URL',
      run: async () => ({ warning: linkWarnings[text] }),
    })),
    ...(await channelChecks(config, clients)),
    ...modelExaminations(config, clients),
    { name: 'TLS', run: async () => (config.server.tls === undefined ? null : examineTls(config.server.tls)) },
    { name: 'relay', run: async () => relayKeyIds(config) },
    { name: 'public URL', run: () => publicUrlLeadsHere(config.server, clients) },
  ];
};

/** To be compared with those of the edge. */
function relayKeyIds({ relay }: Config): string | null {
  if (relay.keys === undefined) return null;
  const [first, ...others] = createRelayKeys(relay.keys, crypto).map(({ id }) => id);
  return `key ${first} signs${others.length === 0 ? '' : `; also accepted: ${others.join(', ')}`}`;
}

const publicUrlLeadsHere = async ({ publicUrl }: Config['server'], clients: Clients): Promise<string | null> =>
  publicUrl === undefined ? null : isReachable(publicUrl, clients.open('vendor', [publicUrl]).fetch);

async function channelChecks(config: Config, clients: Clients): Promise<readonly Check[]> {
  const identifier = createIdentifier(crypto, config.keys.id ?? new Uint8Array());
  const common = { crypto, identifier, openFetch: vendorFetch(clients), clock: Date.now };
  const configured = configuredChannels(config, common, plugs.modules);
  const checks = configured.map(async ({ module, settings, deps }) => {
    const half = await plugs.halves[module.name]?.();
    const check = half?.check?.(settings, deps);
    return check === undefined ? [] : [check];
  });
  return (await Promise.all(checks)).flat();
}
