import type { Channel } from '../channels/channel.ts';
import type { ChannelModule, FindChannel, ModuleDeps, OpenFetch } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import type { Identifier } from '../core/identity.ts';
import type { Clients } from '../net/clients.ts';

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
      const all = Object.keys(tenants).map((other) => [other, settingsOf(other, name)] as const);
      const deps = {
        ...{ crypto, identifier, openFetch, clock },
        tenant,
        tenants: new Map(all.filter(([, one]) => one !== undefined)),
        windowMs: Number(settingsIn(windows, name)),
        idKey,
      };
      return [{ tenant, module, settings, deps }];
    }),
  );
}

/** Finds the channel behind `/hooks/{name}/{tenant}/{rest}`; null for what is not configured. */
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
  return (name, tenant, rest) => table.get(`${name}/${tenant}`)?.(rest) ?? null;
}

const settingsIn = (group: object | undefined, name: ChannelName): unknown =>
  group !== undefined && Object.hasOwn(group, name) ? Reflect.get(group, name) : undefined;
