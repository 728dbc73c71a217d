import type { Check } from '../channels/module.node.ts';
import type { OpenFetch } from '../channels/module.ts';
import { plugs } from '../channels/registry.node.ts';
import type { Examine } from '../cli/commands/serve.ts';
import { allVariables } from '../config/environment.ts';
import type { Config } from '../config/schema.ts';
import { settingAt } from '../config/variables.ts';
import { nodeCrypto as crypto } from '../core/crypto/crypto.node.ts';
import { causeOf } from '../core/failure.ts';
import { createIdentifier } from '../core/identity.ts';
import { createRelayKeys } from '../core/relay.ts';
import type { Remedies } from '../core/remedies.ts';
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
    ...(withStore && config.store.redisUrl !== undefined
      ? [{ name: 'maxmemory', run: () => memoryOf(config.store.redisUrl ?? '') }]
      : []),
    ...keyProblems(config).map((text) => ({ name: 'keys', run: () => Promise.reject(new Error(text)) })),
    ...tenantsWithoutVendor(config).map((tenant) => ({
      name: `tenants.${tenant}`,
      run: async () =>
        hasCallers(config)
          ? 'is reached by callers of the API alone'
          : { warning: 'has no channel, so nothing reaches it' },
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

const memoryOf = async (redisUrl: string): ReturnType<Check['run']> =>
  (await import('../queue/redis/client/examine.ts')).memoryIsBounded(redisUrl);

const tenantsWithoutVendor = ({ tenants }: Config): string[] => {
  const vendors = plugs.modules.filter(({ callers }) => callers === undefined);
  return Object.entries(tenants).flatMap(([tenant, settings]) =>
    vendors.some(({ name }) => settingAt(settings, [name]) !== undefined) ? [] : [tenant],
  );
};

/** Whether tokens of the API are accepted. */
const hasCallers = ({ api }: Config): boolean =>
  [api.jwtSecret, api.jwtJwksUrl, api.jwtIntrospectionUrl].some((setting) => setting !== undefined);

/** A random key of 32 bytes has some 30 different ones; this few come once in 10^20 keys. */
const LEAST_DIFFERENT_BYTES = 12;
/** Different characters of a secret that somebody made up. */
const LEAST_DIFFERENT_CHARS = 8;

/** What is wrong with the gate's own secrets: made up instead of drawn, or one used for two things. */
function keyProblems(config: Config): string[] {
  const own = allVariables.secret
    .filter((name) => name.startsWith('SALLYPORT_') && !name.endsWith('_URL'))
    .flatMap((name) => {
      const value: unknown = settingAt(config, allVariables.paths[name] ?? []);
      const all = Array.isArray(value) ? value : [value];
      return all.filter((one) => typeof one === 'string' || one instanceof Uint8Array).map((one) => ({ name, one }));
    });
  const weak = own.filter(
    ({ one }) =>
      new Set<string | number>(one).size < (typeof one === 'string' ? LEAST_DIFFERENT_CHARS : LEAST_DIFFERENT_BYTES),
  );
  const repeated = own.flatMap(({ name, one }, at) => {
    const other = own.slice(0, at).find((before) => before.name !== name && textOf(before.one) === textOf(one));
    return other === undefined ? [] : [`${other.name}, ${name}: are the same; each needs one of its own`];
  });
  return [
    ...new Set(weak.map(({ name }) => `${name}: is too simple to be a random key; make one with sallyport keygen`)),
    ...repeated,
  ];
}

const textOf = (key: string | Uint8Array): string =>
  typeof key === 'string' ? key : Buffer.from(key).toString('base64');

/** How far the clock may be off that of a vendor, in seconds; tokens forgive twice as much. */
const SKEW_SECONDS = 30;

async function channelChecks(config: Config, clients: Clients): Promise<readonly Check[]> {
  const identifier = createIdentifier(crypto, config.keys.id ?? new Uint8Array());
  const { publicUrl } = config.server;
  const clock = createClockCheck(publicUrl);
  const openFetch: OpenFetch = (...args) => clock.watch(vendorFetch(clients)(...args));
  const configured = configuredChannels(config, { crypto, identifier, openFetch, clock: Date.now }, plugs.modules);
  const checks = configured.map(async ({ module, settings, deps }) => {
    const half = await plugs.halves[module.name]?.();
    const all = half?.checks?.(settings, { ...deps, publicUrl }) ?? [];
    return all.map(({ name, run }) => ({ name, run: () => run().catch(explain(module.remedies)) }));
  });
  return [...(await Promise.all(checks)).flat(), { name: 'clock', run: clock.run }];
}

/** Adds the vendor's word for a failure and what to do about it. */
const explain =
  (remedies: Remedies = {}) =>
  (error: unknown): never => {
    const { cause } = causeOf(error);
    if (cause === undefined || !(error instanceof Error)) throw error;
    const remedy = remedies[cause]?.replaceAll('`', '').replace(/, then redrive$/, '');
    throw new Error(`${error.message} (${cause})${remedy === undefined ? '' : `: ${remedy}`}`);
  };

/** Compares the clock with the `Date` headers of vendors' answers, but not with our own behind the public URL. */
function createClockCheck(publicUrl: string | undefined) {
  let most: { readonly host: string; readonly seconds: number } | null = null;
  const watch =
    (fetch: typeof globalThis.fetch): typeof globalThis.fetch =>
    async (input, init) => {
      const sentAt = Date.now();
      const response = await fetch(input, init);
      const { origin, host } = new URL(input instanceof Request ? input.url : input);
      // The header names the second of the answer, which came at some time between the request and now.
      const date = Date.parse(response.headers.get('date') ?? '');
      const seconds = Math.max(0, sentAt - (date + 999), date - Date.now()) / 1000;
      const isOurs = publicUrl !== undefined && new URL(publicUrl).origin === origin;
      if (!isOurs && !Number.isNaN(seconds) && (most === null || seconds > most.seconds)) most = { host, seconds };
      return response;
    };
  const run = async (): Promise<string | null> => {
    if (most === null) return null;
    if (most.seconds <= SKEW_SECONDS) return `within ${Math.ceil(most.seconds) || 1} s of the vendors`;
    throw new Error(`is ${Math.round(most.seconds)} s off that of ${most.host}; set it by NTP`);
  };
  return { watch, run };
}
