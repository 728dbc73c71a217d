import type { KeeperTask } from '../channels/shared/keeper-task.ts';
import { type Keeper, startKeeper } from '../workers/keeper/keeper.ts';
import { createGmailWorker } from './gmail.node.ts';
import { createGraphWorker } from './graph.node.ts';
import type { Runtime } from './runtime.node.ts';

type Accept = Parameters<NonNullable<ReturnType<typeof createGraphWorker>['keeperTask']>>[0];

/** Keeps every tenant's subscriptions and watches alive, if it is this worker's turn. */
export function startKeeperOf(runtime: Runtime, accept: Accept): Keeper {
  const { config, store, log } = runtime;
  const tasks: KeeperTask[] = [];
  for (const [tenant, { graph, gmail }] of Object.entries(config.tenants)) {
    const graphTask = graph === undefined ? null : createGraphWorker(tenant, graph, runtime).keeperTask;
    if (graphTask !== null) tasks.push(graphTask(accept));
    if (gmail !== undefined) tasks.push(createGmailWorker(tenant, gmail, runtime).keeperTask(accept));
  }
  return startKeeper({
    acquire: (name, ttlMs) => store.lease.acquire(name, ttlMs),
    records: store.records,
    tasks,
    clock: Date.now,
    everyMs: config.keeper.every,
    silentAfterMs: config.keeper.silentAfter,
    logger: log,
  });
}
