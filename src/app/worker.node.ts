import { appendFile } from 'node:fs/promises';
import type { KeeperTask, ParsedEvent, ReadContext, Reader, Replier } from '../channels/channel.ts';
import type { NodeHalf } from '../channels/module.node.ts';
import type { Checkpoint } from '../core/audit/checkpoint.ts';
import { signerOf } from '../core/crypto/ed25519.node.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName, InboundEvent } from '../core/event.ts';
import { vendorFetch } from '../net/clients.ts';
import type { GuardedFetch } from '../net/guarded-fetch.ts';
import { startCheckpoints } from '../ops/checkpoints.ts';
import { startWorkerBeat } from '../ops/worker-beat.ts';
import type { Leader } from '../queue/leader.node.ts';
import { createBudgetOverrides } from '../queue/records/budget-overrides.ts';
import { defaultLimits } from '../queue/store.ts';
import { prepareFound } from '../server/hooks/prepare.ts';
import type { Agent } from '../workers/agent.ts';
import { createAcceptFound } from '../workers/attempt/ask-agent.ts';
import { createPolicies } from '../workers/budget/budget.ts';
import { createRunBudget, type OpenBudget, type Spending, watchKills } from '../workers/budget/run-budget.ts';
import { startKeeper } from '../workers/keeper/keeper.ts';
import { run } from '../workers/run.ts';
import { openAgents } from './agents.node.ts';
import { configuredChannels } from './channels.ts';
import { pricesOf } from './model.node.ts';
import { configuredDisclosure, configuredPolicy, reviewing } from './policies.ts';
import type { Runtime } from './runtime.node.ts';

export interface WorkerHandle {
  /** Takes no more work; what runs may finish, and what has not finished shortly before the end is given back. */
  close(graceMs: number): Promise<void>;
}

/** What giving an attempt back to the store takes, in ms. */
const GIVE_BACK_MS = 3_000;

/**
 * `halves`: those of the channels that any tenant sets. `trustedAgents`: those of `loadTrustedAgents`.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
export function startWorker(
  runtime: Runtime,
  halves: LoadedHalves,
  trustedAgents: ReadonlyMap<string, Agent>,
): WorkerHandle {
  const { config, crypto, log, metrics, store, drain } = runtime;
  const { inbox, lease, journal } = store;
  const shutdown = new AbortController();
  const budgets = openBudgets(runtime);
  const prepare = preparing(runtime);
  const { replier, reader, tasks } = openChannels(runtime, halves, createAcceptFound({ inbox, prepare }));
  const deps = {
    ...openAgents(runtime, trustedAgents),
    replier,
    reader,
    prepare,
    ...{ inbox, lease, journal, scrub: runtime.countingScrub, audit: runtime.audit },
    meter: metrics.meter,
    clock: Date.now,
    random: Math.random,
    leaseMs: config.worker.lease,
    maxAttempts: defaultLimits.maxAttempts,
    replyTimeoutMs: config.worker.replyTimeout,
    restoredAtMs: config.worker.restoredAt,
    openBudget: budgets.open,
    disclosureOf: configuredDisclosure(config),
    blockedNotice: config.guardrails.blockedNotice || null,
    ...reviewing(runtime),
    shutdown: shutdown.signal,
    logger: log,
    tracer: runtime.tracing.tracer,
    isStopping: () => drain.signal.aborted,
  };
  let taken = 0;
  const consumer = store.jobs.consume({
    concurrency: config.concurrency,
    run: (due) => {
      taken += 1;
      return run(due, deps);
    },
  });
  const id = Buffer.from(crypto.random(8)).toString('hex');
  const stopBeat = startWorkerBeat(id, {
    records: store.records,
    clock: Date.now,
    taken: () => taken,
    untaken: consumer.untaken,
  });
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

/** How long a run waits for money that others have reserved and may not need, in ms. */
const PATIENCE_MS = 10_000;
/** Longest call of a model. */
const CALL_MS = 10 * 60_000;

interface Budgets {
  readonly open: (spending: Spending) => Promise<OpenBudget>;
  close(): void;
}

function openBudgets({ config, store, metrics, identifier, log }: Runtime): Budgets {
  const kills = watchKills(store.ledger, log);
  const overrides = createBudgetOverrides(store.records);
  const deps = {
    ledger: store.ledger,
    policyOf: createPolicies({ configured: configuredPolicy(config), overrides, clock: Date.now }),
    priceOf: pricesOf(config),
    kills,
    digest: identifier.digest,
    meter: metrics.meter,
    logger: log,
    patienceMs: PATIENCE_MS,
    callMs: CALL_MS,
  };
  return { open: (spending) => createRunBudget(spending, deps), close: kills.close };
}

/** Cleans and seals what was found at a vendor, as deliveries are. */
const preparing =
  ({ countingScrub: scrub, sealer, metrics: { meter }, refusals: { note: tally } }: Runtime) =>
  (found: readonly ParsedEvent[]): readonly InboundEvent[] =>
    prepareFound(found, { scrub, sealer, meter, tally });

/** Signed checkpoints of the audit, where they are configured. */
function startCheckpointsOf({ clients, config, store, metrics, log: logger }: Runtime): Leader | null {
  const { key, checkpoints: target, every: everyMs } = config.audit;
  if (key === undefined || target === undefined) return null;
  return startCheckpoints({
    audit: store.audit,
    acquire: (name, ttlMs) => store.lease.acquire(name, ttlMs),
    tenants: Object.keys(config.tenants),
    sign: signerOf(key),
    write: /^https?:/.test(target) ? postTo(target, clients.open('checkpoint', [target]).request) : appendTo(target),
    everyMs,
    clock: Date.now,
    logger,
    meter: metrics.meter,
  });
}

const appendTo = (path: string) => (checkpoint: Checkpoint, signal: AbortSignal) => {
  signal.throwIfAborted();
  return appendFile(path, `${JSON.stringify(checkpoint)}\n`, { mode: 0o600 });
};

function postTo(url: string, fetch: GuardedFetch): (checkpoint: Checkpoint, signal: AbortSignal) => Promise<void> {
  return async (checkpoint, signal) => {
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(checkpoint), signal });
    if (status < 200 || status > 299) throw new SallyportError('ERR_OUTBOUND_FAILED', 'the checkpoint was not taken');
  };
}

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

/**
 * Opens every channel that a tenant sets. `accept` takes what the keeper finds at a vendor.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
export function openChannels(
  { config, plugs, standIns, crypto, identifier, clients, scrub, sealer, store, log: logger }: Runtime,
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
      isStandIn: tenant === 'default' && standIns.has(module.name),
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
