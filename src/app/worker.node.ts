import { startWorkerBeat } from '../ops/worker-beat.ts';
import { createAcceptFound } from '../workers/attempt/prepare-task.ts';
import { startKeeper } from '../workers/keeper/keeper.ts';
import { run } from '../workers/run.ts';
import { openAgents } from './agents.node.ts';
import { openBudgets } from './budget.node.ts';
import { startCheckpointsOf } from './checkpoints.node.ts';
import { type LoadedHalves, openChannels } from './open-channels.node.ts';
import { preparing } from './prepare-found.ts';
import { reviewing } from './review-policy.ts';
import type { Runtime } from './runtime.node.ts';

export interface WorkerHandle {
  /** Takes no more work; what runs may finish, and what has not finished shortly before the end is given back. */
  close(graceMs: number): Promise<void>;
}

/** What giving an attempt back to the store takes, in ms. */
const GIVE_BACK_MS = 3_000;

/** `halves`: those of the channels that any tenant sets. @throws SallyportError ERR_CONFIG_INVALID */
export function startWorker(runtime: Runtime, halves: LoadedHalves): WorkerHandle {
  const { config, crypto, log, metrics, store, drain } = runtime;
  const { inbox, lease, journal } = store;
  const shutdown = new AbortController();
  const budgets = openBudgets(runtime);
  const prepare = preparing(runtime);
  const { replier, reader, tasks } = openChannels(runtime, halves, createAcceptFound({ inbox, prepare }));
  const deps = {
    ...openAgents(runtime),
    replier,
    reader,
    prepare,
    ...{ inbox, lease, journal, scrub: runtime.scrub, audit: runtime.audit },
    meter: metrics.meter,
    clock: Date.now,
    random: Math.random,
    leaseMs: config.worker.lease,
    replyTimeoutMs: config.worker.replyTimeout,
    openBudget: budgets.open,
    blockedNotice: config.guardrails.blockedNotice || null,
    ...reviewing(runtime),
    shutdown: shutdown.signal,
    logger: log,
    isStopping: () => drain.signal.aborted,
  };
  const consumer = store.jobs.consume({ concurrency: config.concurrency, run: (due) => run(due, deps) });
  const id = Buffer.from(crypto.random(8)).toString('hex');
  const stopBeat = startWorkerBeat(id, { records: store.records, clock: Date.now });
  const keeper = startKeeper({
    acquire: lease.acquire,
    records: store.records,
    tasks,
    clock: Date.now,
    everyMs: config.keeper.every,
    silentAfterMs: config.keeper.silentAfter,
    logger: log,
  });
  const checkpoints = startCheckpointsOf(runtime);
  return {
    async close(graceMs) {
      const giveBack = setTimeout(() => shutdown.abort(), Math.max(0, graceMs - GIVE_BACK_MS));
      await Promise.all([consumer.close(graceMs), keeper.close(), checkpoints?.close()]);
      clearTimeout(giveBack);
      budgets.close();
      // While the store is away the beat ends by itself.
      await stopBeat().catch(() => {});
    },
  };
}
