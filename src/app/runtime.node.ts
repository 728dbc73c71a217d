import { readFile } from 'node:fs/promises';
import type { Plugs } from '../channels/module.node.ts';
import { plugs as allPlugs } from '../channels/registry.node.ts';
import { namesOf } from '../channels/registry.ts';
import type { Config } from '../config/schema.ts';
import type { Environment } from '../config/variables.ts';
import type { RecordAudit } from '../core/audit/entry.ts';
import { nodeCrypto as crypto } from '../core/crypto/crypto.node.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import { createIdentifier, type Identifier } from '../core/identity.ts';
import { type Clients, createClients } from '../net/clients.ts';
import { createAudit } from '../ops/audit.ts';
import { budgetFigures } from '../ops/budget-figures.ts';
import { recordConfiguration } from '../ops/configuration-changes.ts';
import { createLog, type Log } from '../ops/log.ts';
import { createMetrics, type Metrics } from '../ops/metrics.ts';
import { operatorChecks } from '../ops/probes.ts';
import { type Check, type ReadyMonitor, watchReadiness } from '../ops/ready.ts';
import { type RefusalTallies, startRefusalTallies } from '../ops/refusal-tallies.ts';
import { probeSubscriptions, sourceFigures } from '../ops/subscriptions.ts';
import type { Tracing } from '../ops/tracing/driver.ts';
import { openTracing } from '../ops/tracing/open.ts';
import { probeWorkers, workerFigures } from '../ops/worker-beat.ts';
import { createBudgetOverrides } from '../queue/records/budget-overrides.ts';
import type { Store } from '../queue/store.ts';
import { createLogScrubber, createVouch } from '../scrub/log-scrub.ts';
import type { Scrub } from '../scrub/scrub.ts';
import { countFindings, createScrubber } from '../scrub/scrubber.ts';
import { createSealer, type Sealer } from '../scrub/seal.ts';
import { openTls, type Tls } from '../server/http/tls.node.ts';
import { settingDigests } from './configuration.node.ts';
import { modelCheck } from './model.node.ts';
import { configuredPolicy } from './policies.ts';
import { guardStore, openStore } from './store.node.ts';

/** What every role is made of. */
export interface Runtime {
  readonly config: Config;
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Closed when all else has stopped. */
  readonly tracing: Tracing;
  /** For what is shown, logged or compared. */
  readonly scrub: Scrub;
  /** For what comes in, is read, or goes out: its findings are in the metrics. */
  readonly countingScrub: Scrub;
  readonly sealer: Sealer;
  /** Makes every client of HTTP; closed when all else has stopped. */
  readonly clients: Clients;
  readonly store: Store;
  readonly audit: RecordAudit;
  /** Counts what is refused, for the audit. Closed before the store. */
  readonly refusals: RefusalTallies;
  readonly ready: ReadyMonitor;
  readonly drain: AbortController;
  /** Of the process's listener; null: it speaks plain HTTP. */
  readonly tls: Tls | null;
  readonly plugs: Plugs;
  /** Channels of the tenant `default` whose settings `dev` made up. */
  readonly standIns: ReadonlySet<ChannelName>;
}

/**
 * `role`: whose configuration it is; `plugs`: the channels there are; `environment`: where a collector of traces is named.
 * @throws SallyportError ERR_STORE_UNSAFE, ERR_STORE_MISMATCH or ERR_CONFIG_INVALID: the process must not start.
 */
export async function openRuntime(
  config: Config,
  role: string,
  isPretty: boolean,
  {
    plugs = allPlugs,
    environment = {},
    standIns = new Set(),
  }: {
    readonly plugs?: Plugs;
    readonly environment?: Environment;
    readonly standIns?: ReadonlySet<ChannelName>;
  } = {},
): Promise<Runtime> {
  const { id, seal } = config.keys;
  if (id === undefined || seal === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'keys are missing');
  const { scrub, log } = openLog(config, crypto, id, isPretty);
  const tracing = await openTracing(environment, { role, scrub: (text) => scrub(text).value, logger: log });
  const identifier = createIdentifier(crypto, id);
  const tls = config.server.tls === undefined ? null : await openTls(config.server.tls, { logger: log });
  const metrics = createMetrics({
    figures: {
      stats: () => store.jobs.stats(),
      parked: () => store.jobs.parked(),
      workers: () => workerFigures(kept),
      budgets: () => budgetFigures({ ...spending, tenants: kept.tenants, ledger: store.ledger }),
      sources: () => sourceFigures({ ...kept, silentAfterMs: config.keeper.silentAfter }),
    },
    about: { role, version: await ownVersion() },
    clock: Date.now,
  });
  const { meter } = metrics;
  const opened = await openStore(config, identifier, log, meter.storeFailed);
  const audit = createAudit({ store: opened.audit, scrub, clock: Date.now, logger: log, meter });
  const kept = { records: opened.records, tenants: Object.keys(config.tenants), clock: Date.now };
  const refusals = startRefusalTallies({ ...kept, audit, logger: log });
  const { store, probe } = guardStore(opened, {
    tally: refusals.note,
    prepare: () =>
      recordConfiguration({
        ...kept,
        role,
        settingsOf: settingDigests(config, identifier),
        digest: (parts) => identifier.digest('settings', parts),
        audit,
        acquire: opened.lease.acquire,
      }),
  });
  const policyOf = configuredPolicy(config);
  const channelNames = namesOf(plugs.modules);
  const spending = {
    configured: (tenant: string) => policyOf(tenant).limits,
    overrides: createBudgetOverrides(opened.records),
    channelsOf: (tenant: string) => channelNames.filter((name) => Object.hasOwn(config.tenants[tenant] ?? {}, name)),
  };
  const drain = new AbortController();
  const clients = createClients({ proxy: config.outbound.proxy, tracer: tracing.tracer });
  await probe().catch((error: unknown) => {
    if (!(error instanceof SallyportError) || error.code !== 'ERR_STORE_UNAVAILABLE') throw error;
    // Deliveries are answered 503 until it is there: senders retry, and nothing is lost.
    log.warn({ code: error.code }, 'store.unavailable');
  });
  // Without these the ingress still accepts, and must go on receiving traffic: they only inform.
  const workers: Check = { name: 'worker', isOptional: true, probe: () => probeWorkers(kept) };
  const subscriptions: Check = { name: 'subscriptions', isOptional: true, probe: () => probeSubscriptions(kept) };
  const checks: Check[] = [{ name: 'store', probe }, workers, subscriptions, ...modelCheck(config, clients)];
  checks.push(...operatorChecks(config.ready.checks, clients, role === 'worker'));
  if (tls !== null) checks.push({ name: 'tls', isOptional: true, probe: tls.probe });
  const ready = watchReadiness(checks, () => drain.signal.aborted);
  await ready.refresh();
  const countingScrub = countFindings(scrub, meter);
  const sealing = { scrub, countingScrub, sealer: createSealer(crypto, seal) };
  const opening = { clients, store, audit, refusals, ready, drain, tls, plugs, standIns };
  return { config, crypto, identifier, log, metrics, tracing, ...sealing, ...opening };
}

/** The release, of the package's manifest: it is beside the bundle's folder, or above the source's. */
async function ownVersion(): Promise<string> {
  const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');
  const manifest = await read('../package.json').catch(() => read('../../package.json'));
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The scrubber, and the log that nothing passes without it. `idKey` is `SALLYPORT_ID_KEY`. */
function openLog(
  { logLevel }: Config,
  crypto: Crypto,
  idKey: Uint8Array,
  isPretty: boolean,
): { readonly scrub: Scrub; readonly log: Log } {
  const scrub = createScrubber({ crypto, key: crypto.hmacSha256(idKey, 'scrub') });
  const passes = { scrubLine: createLogScrubber(scrub), vouch: createVouch(scrub) };
  return { scrub, log: createLog({ level: logLevel, ...passes, isPretty }) };
}
