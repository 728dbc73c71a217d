import type { KeeperTask, ReadContext, Reader, Replier } from '../channels/channel.ts';
import type { NodeHalf } from '../channels/module.node.ts';
import type { OpenFetch } from '../channels/module.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import type { Clients } from '../net/clients.ts';
import { configuredChannels } from './channels.ts';
import type { Runtime } from './runtime.node.ts';

/** The process's clients, as channels open them. */
export const vendorFetch =
  (clients: Clients): OpenFetch =>
  (urls, limits) =>
    clients.open('vendor', urls, limits).fetch;

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
  const common = { crypto, identifier, openFetch: vendorFetch(clients), clock: Date.now };
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
