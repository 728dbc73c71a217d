import type { Reader, Replier } from '../channels/channel.ts';
import { createOwnMailboxes } from '../channels/graph/read/own-mailbox.ts';
import { createGraphReader } from '../channels/graph/read/reader.ts';
import { createIdentify } from '../channels/graph/receive/identify.ts';
import { cannotReact, createReact } from '../channels/graph/receive/lifecycle.ts';
import { createGraphReplier } from '../channels/graph/reply/reply.ts';
import type { GraphConfig } from '../channels/graph/settings.ts';
import { createHandMade } from '../channels/graph/sync/hand-made.ts';
import { createGraphKeeperTask } from '../channels/graph/sync/keeper.ts';
import { createKeptStore } from '../channels/graph/sync/kept.ts';
import { createResync } from '../channels/graph/sync/resync.ts';
import { createSubscriptions } from '../channels/graph/sync/subscriptions.ts';
import { type Accept, createUpkeep } from '../channels/graph/sync/upkeep.ts';
import type { KeeperTask } from '../channels/shared/keeper-task.ts';
import { clientStatesOf } from './graph.ts';
import { graphApiOf, keptSources } from './graph-sources.ts';
import type { Runtime } from './runtime.node.ts';

/** What a worker does for one tenant's Entra app. */
export interface GraphWorker {
  readonly reader: Reader;
  /** Null without credentials. */
  readonly replier: Replier | null;
  /** Null when nothing is to be kept. */
  readonly keeperTask: ((accept: Accept) => KeeperTask) | null;
}

export function createGraphWorker(tenant: string, graph: GraphConfig, runtime: Runtime): GraphWorker {
  const { config, crypto, identifier, log: logger, store: records } = runtime;
  const clock = Date.now;
  const states = clientStatesOf(config, crypto);
  const identify = createIdentify({ identifier, entraTenantId: graph.tenantId, windowMs: config.windows.graph });
  const store = createKeptStore(records.records, tenant);
  const handMade = createHandMade(records.records, tenant, identifier);
  const api = graphApiOf(graph, runtime.clients, config.worker.replyTimeout);
  if (api === null) {
    const reader = createGraphReader({ access: null, react: cannotReact, store, handMade, identify, clock });
    return { reader, replier: null, keeperTask: null };
  }
  const base = { api, store, tenant, clock, logger };
  const sources = keptSources(tenant, graph, config, crypto);
  const publicUrl = config.server.publicUrl ?? '';
  const subscriptions = createSubscriptions({ ...base, states, publicUrl, random: Math.random });
  const resync = createResync({ ...base, identify });
  const upkeep = createUpkeep({ store, subscriptions, resync, clock });
  const react = createReact({ ...base, sources, upkeep, resync, handMade });
  const access = { api, ownMailbox: createOwnMailboxes(api) };
  const keeperDeps = { ...base, subscriptions, upkeep, sources };
  return {
    reader: createGraphReader({ access, react, store, handMade, identify, clock }),
    replier: createGraphReplier(base),
    keeperTask: sources.size === 0 ? null : (accept) => createGraphKeeperTask({ ...keeperDeps, accept }),
  };
}
