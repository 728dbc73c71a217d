import type { Channel } from '../channels/channel.ts';
import type { ChannelModule, FindChannel, ModuleDeps, ReceiveDeps } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';

/** What a process gives every channel of every tenant, wherever it runs. */
export type Common = Pick<ModuleDeps<unknown>, 'crypto' | 'identifier' | 'openFetch' | 'clock' | 'keepAlive'>;

/** What is read of a configuration to find its channels; the edge has no more. */
export interface ChannelConfig extends Pick<Config, 'windows' | 'keys'> {
  readonly tenants: Readonly<Record<string, object>>;
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
  { tenants, windows, keys }: ChannelConfig,
  common: Common,
  modules: readonly ChannelModule[],
): readonly ConfiguredChannel[] {
  if (keys.id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const idKey = keys.id;
  const settingsOf = (tenant: string, name: ChannelName): unknown => settingsIn(tenants[tenant], name);
  return Object.keys(tenants).flatMap((tenant) =>
    modules.flatMap((module): ConfiguredChannel[] => {
      const { name } = module;
      const settings = settingsOf(tenant, name);
      if (settings === undefined) return [];
      const deps = {
        ...common,
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
  config: ChannelConfig & {
    readonly server: Pick<Config['server'], 'bodyLimit' | 'graphBodyLimit' | 'outcomeHeaders'>;
  },
  { readMarkdown, ...common }: Common & Pick<ReceiveDeps<unknown>, 'readMarkdown'>,
  modules: readonly ChannelModule[],
): (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null {
  const { bodyLimit, graphBodyLimit, outcomeHeaders } = config.server;
  const table = new Map(
    configuredChannels(config, common, modules).map(({ tenant, module, settings, deps }): [string, FindChannel] => {
      const limits = { bodyLimit: module.isBatch ? graphBodyLimit : bodyLimit, outcomeHeaders };
      return [`${module.name}/${tenant}`, module.receive(settings, { ...deps, ...limits, readMarkdown })];
    }),
  );
  for (const module of modules) {
    const shared = module.sharedBy?.(settingsByTenant(config, module.name)) ?? null;
    const find = shared === null ? undefined : table.get(`${module.name}/${shared}`);
    if (find !== undefined && !table.has(`${module.name}/default`)) table.set(`${module.name}/default`, find);
  }
  return (name, tenant, rest) => table.get(`${name}/${tenant}`)?.(rest) ?? null;
}

/** Whether a vendor's deliveries over a channel are configured for a tenant. */
export function createIsDelivered(
  { tenants }: Pick<ChannelConfig, 'tenants'>,
  modules: readonly ChannelModule[],
): (tenant: string, name: ChannelName) => boolean {
  const vendors = modules.flatMap(({ name, callers }) => (callers === undefined ? [name] : []));
  const known = new Set(
    Object.entries(tenants).flatMap(([tenant, group]) =>
      vendors.flatMap((name) => (settingsIn(group, name) === undefined ? [] : [`${name}/${tenant}`])),
    ),
  );
  return (tenant, name) => known.has(`${name}/${tenant}`);
}

function settingsByTenant(
  { tenants }: Pick<ChannelConfig, 'tenants'>,
  name: ChannelName,
): ReadonlyMap<string, unknown> {
  const all = Object.entries(tenants).map(([tenant, group]) => [tenant, settingsIn(group, name)] as const);
  return new Map(all.filter(([, settings]) => settings !== undefined));
}

const settingsIn = (group: object | undefined, name: ChannelName): unknown =>
  group !== undefined && Object.hasOwn(group, name) ? Reflect.get(group, name) : undefined;
