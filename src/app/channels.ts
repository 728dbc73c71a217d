import type { Channel, KeeperTask, ReadContext, Reader, Replier } from '../channels/channel.ts';
import type { NodeHalf } from '../channels/module.node.ts';
import type { ChannelModule, FindChannel, ModuleDeps, OpenFetch } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import type { Identifier } from '../core/identity.ts';
import type { Clients } from '../net/clients.ts';
import type { Runtime } from './runtime.node.ts';

/** What the process gives every channel of every tenant. */
export interface Common {
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  readonly clients: Clients;
  readonly clock: Clock;
}

/** A channel that a tenant has set. */
export interface ConfiguredChannel {
  readonly tenant: string;
  readonly module: ChannelModule;
  readonly settings: unknown;
  readonly deps: ModuleDeps<unknown>;
}

/** The channels that tenants have set, tenant by tenant. @throws SallyportError ERR_CONFIG_INVALID without an id key */
export function configuredChannels(
  { tenants, windows, keys }: Config,
  { crypto, identifier, clients, clock }: Common,
  modules: readonly ChannelModule[],
): readonly ConfiguredChannel[] {
  if (keys.id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const idKey = keys.id;
  const openFetch: OpenFetch = (urls, limits) => clients.open('vendor', urls, limits).fetch;
  const settingsOf = (tenant: string, name: ChannelName): unknown => settingsIn(tenants[tenant], name);
  return Object.keys(tenants).flatMap((tenant) =>
    modules.flatMap((module): ConfiguredChannel[] => {
      const { name } = module;
      const settings = settingsOf(tenant, name);
      if (settings === undefined) return [];
      const deps = {
        ...{ crypto, identifier, openFetch, clock },
        tenant,
        tenants: settingsByTenant({ tenants }, name),
        windowMs: Number(settingsIn(windows, name)),
        idKey,
      };
      return [{ tenant, module, settings, deps }];
    }),
  );
}

/** Finds the channel behind a name, a tenant and what follows them in a path of a hook; null for what is not configured. */
export function createChannelTable(
  config: Config,
  common: Common,
  modules: readonly ChannelModule[],
): (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null {
  const { bodyLimit, graphBodyLimit, outcomeHeaders } = config.server;
  const table = new Map(
    configuredChannels(config, common, modules).map(({ tenant, module, settings, deps }): [string, FindChannel] => {
      const limits = { bodyLimit: module.isBatch ? graphBodyLimit : bodyLimit, outcomeHeaders };
      return [`${module.name}/${tenant}`, module.receive(settings, { ...deps, ...limits })];
    }),
  );
  for (const module of modules) {
    const shared = module.sharedBy?.(settingsByTenant(config, module.name)) ?? null;
    const find = shared === null ? undefined : table.get(`${module.name}/${shared}`);
    if (find !== undefined && !table.has(`${module.name}/default`)) table.set(`${module.name}/default`, find);
  }
  return (name, tenant, rest) => table.get(`${name}/${tenant}`)?.(rest) ?? null;
}

function settingsByTenant({ tenants }: Pick<Config, 'tenants'>, name: ChannelName): ReadonlyMap<string, unknown> {
  const all = Object.entries(tenants).map(([tenant, group]) => [tenant, settingsIn(group, name)] as const);
  return new Map(all.filter(([, settings]) => settings !== undefined));
}

const settingsIn = (group: object | undefined, name: ChannelName): unknown =>
  group !== undefined && Object.hasOwn(group, name) ? Reflect.get(group, name) : undefined;

/** For channels without credentials: the run keeps its reply, which is recorded as not posted. */
const unsent: Replier = {
  send: async () => ({ kind: 'unsent' }),
  find: async () => 'absent',
};

/** What workers do for the tenants' channels, each opened once. */
interface OpenChannels {
  /** What reads a channel's events before the agent does; null where a delivery holds all there is to know. */
  readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
  readonly replier: (tenant: string, channel: ChannelName) => Replier;
  readonly tasks: readonly KeeperTask[];
}

/** The Node halves that a process may need, by name. */
export type LoadedHalves = ReadonlyMap<ChannelName, NodeHalf>;

/** Loads the Node halves of the channels that any tenant sets, and their vendors' libraries. */
export async function loadHalves({ config, plugs }: Pick<Runtime, 'config' | 'plugs'>): Promise<LoadedHalves> {
  const isSet = (name: ChannelName): boolean =>
    Object.values(config.tenants).some((tenant) => Reflect.get(tenant, name));
  const loading = Object.entries(plugs.halves)
    .filter(([name]) => isSet(name))
    .map(async ([name, load]) => {
      const half = await load();
      await half.load?.();
      return [name, half] as const;
    });
  return new Map(await Promise.all(loading));
}

/**
 * Opens every channel that a tenant sets. `accept` takes what the keeper finds at a vendor.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
export function openChannels(
  { config, plugs, crypto, identifier, clients, scrub, sealer, store, log: logger }: Runtime,
  halves: LoadedHalves,
  accept: ReadContext['accept'],
): OpenChannels {
  const { records, lease } = store;
  const readers = new Map<string, Reader>();
  const repliers = new Map<string, Replier>();
  const tasks: KeeperTask[] = [];
  const common = { crypto, identifier, clients, clock: Date.now };
  for (const { tenant, module, settings, deps } of configuredChannels(config, common, plugs.modules)) {
    const half = halves.get(module.name);
    if (half === undefined) throw new SallyportError('ERR_CONFIG_INVALID', `${module.name}: has no half for workers`);
    const opened = half.open(settings, {
      ...deps,
      publicUrl: config.server.publicUrl,
      replyTimeoutMs: config.worker.replyTimeout,
      records,
      acquire: lease.acquire,
      accept,
      scrub,
      sealer,
      logger,
    });
    const key = `${module.name}/${tenant}`;
    if (opened.reader !== undefined) readers.set(key, opened.reader);
    if (opened.task !== undefined) tasks.push(opened.task);
    const { timing } = module;
    repliers.set(key, opened.replier ?? { ...unsent, ...(timing && { timing }) });
  }
  return {
    reader: (tenant, channel) => readers.get(`${channel}/${tenant}`) ?? null,
    replier: (tenant, channel) => repliers.get(`${channel}/${tenant}`) ?? unsent,
    tasks,
  };
}
