import { join, resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { TallyRefusal } from '../core/audit/entry.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { codeOf, SallyportError } from '../core/errors.ts';
import { createIdentifier, type Identifier } from '../core/identity.ts';
import { type Logger, silentLogger } from '../core/logger.ts';
import { createUntrustedProxies } from '../queue/records/untrusted-proxies.ts';
import { warningsOf } from '../queue/redis/client/url.ts';
import { defaultLimits, type Store, type StoreLimits } from '../queue/store.ts';
import { createTrust } from '../server/http/forwarded.node.ts';

/** In the data folder. */
export const DATA_FILE = 'sallyport.db';

/** A process with another id key would see every event as new; the store remembers this digest and refuses it. */
export const idCheckOf = (identifier: Identifier): string => identifier.digest('id-check', []);

/** Opens the driver that the configuration chooses; the other one is never loaded. `onFailure`: a request was not served. */
export async function openStore(
  config: Config,
  identifier: Identifier,
  logger: Logger,
  onFailure: (kind: string) => void = () => {},
): Promise<Store> {
  const { store, maxAge: maxAgeMs, retention: retentionMs, audit, tenants } = config;
  const leaseMs = config.worker.lease;
  // Twice a lease: by then a worker that took the wake has shown itself.
  const own = Object.entries(tenants).flatMap(([tenant, { retention }]) =>
    retention === undefined ? [] : [[tenant, retention] as const],
  );
  const retentionMsOf = new Map(own);
  const timing = { leaseMs, rewakeMs: 2 * leaseMs, maxAgeMs, retentionMs, retentionMsOf, auditKeepMs: audit.keep };
  const limits: StoreLimits = {
    ...defaultLimits,
    ...timing,
    queueCap: store.queueCap,
    channelRate: config.limits.channelRate,
  };
  const idCheck = idCheckOf(identifier);
  if (store.redisUrl === undefined) {
    const { openEmbeddedStore } = await import('../queue/embedded/open.ts');
    const path = join(resolve(store.dataDir), DATA_FILE);
    return openEmbeddedStore({ path, limits, idCheck, logger, onFailure }).catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_STORE_UNAVAILABLE') throw error;
      throw new SallyportError('ERR_STORE_UNAVAILABLE', `SALLYPORT_DATA_DIR: ${(error as Error).message}`, {
        cause: error,
      });
    });
  }
  const { openRedisStore } = await import('../queue/redis/open.ts');
  const { redisUrl: url, prefix, shards, minReplicas, allowUnsafe } = store;
  return openRedisStore({
    url,
    prefix,
    shards,
    minReplicas,
    allowUnsafe,
    limits,
    idCheck,
    logger,
    onFailure,
    relay: { claimMs: leaseMs / 2 },
  });
}

/**
 * Accepts nothing into a store whose durability has not been seen: before the first good check, and again after a check
 * that found it unsafe. A store that is merely away fails by itself. `prepare` runs after each good check until it has
 * succeeded once, and nothing is accepted before; `tally` counts the conflicts.
 */
export function guardStore(
  store: Store,
  { prepare, tally }: { readonly prepare: () => Promise<void>; readonly tally: TallyRefusal },
): { readonly store: Store; readonly probe: () => Promise<void> } {
  let isSafe = false;
  let isPrepared = false;
  const probe = async (): Promise<void> => {
    try {
      await store.check();
      if (!isPrepared) await prepare();
      isPrepared = true;
      isSafe = true;
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== 'ERR_STORE_UNAVAILABLE') isSafe = false;
      throw error;
    }
  };
  const accept: Store['inbox']['accept'] = async (events) => {
    if (!isSafe) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'the store has not been found durable');
    const outcomes = await store.inbox.accept(events);
    for (const [at, one] of outcomes.entries()) {
      const event = events[at];
      if (one.outcome !== 'conflict' || event === undefined) continue;
      tally(event.tenant, { action: 'delivery.conflict', subject: event.channel, reason: 'conflict', eventId: one.id });
    }
    return outcomes;
  };
  return { store: { ...store, inbox: { accept } }, probe };
}

/** What should not stay as it is on the way to Redis. */
export const redisWarnings = ({ store: { redisUrl } }: Config): ReturnType<typeof warningsOf> =>
  redisUrl === undefined ? [] : warningsOf(redisUrl);

/** A day, in ms. */
const DAY_MS = 86_400_000;

/** For `sallyport doctor`: proxies that a gate has seen within a day and that are not in `SALLYPORT_TRUSTED_PROXIES`. */
export async function untrustedProxies(config: Config): Promise<string> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const isTrusted = createTrust(config.server.trustedProxies ?? []);
  let store: Store | undefined;
  try {
    store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
    const seen = await createUntrustedProxies(store.records).since(Date.now() - DAY_MS);
    const untrusted = seen.filter((peer) => !isTrusted(peer));
    if (untrusted.length === 0) return 'none that is not trusted';
    return `X-Forwarded-For of ${untrusted.join(', ')} is not believed; if that is a proxy of yours, add it to SALLYPORT_TRUSTED_PROXIES`;
  } catch {
    // The line of the store says why.
    return 'not known, as the store cannot be read';
  } finally {
    await store?.close();
  }
}

/** For `sallyport doctor`. @throws Error that names the setting of a store that is away or not durable */
export async function storeIsDurable(config: Config): Promise<string> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
  try {
    await store.check().catch(async (error: Error) => {
      if (codeOf(error) === 'ERR_STORE_MISMATCH') throw error;
      const { redisUrl } = config.store;
      if (redisUrl === undefined) throw new Error(`SALLYPORT_DATA_DIR: ${error.message}`);
      const { whyUnreachable } = await import('../queue/redis/client/examine.ts');
      const why = codeOf(error) === 'ERR_STORE_UNAVAILABLE' ? await whyUnreachable(redisUrl) : null;
      throw new Error(`SALLYPORT_REDIS_URL: ${why ?? error.message}`);
    });
    return config.store.redisUrl === undefined ? 'embedded, durable' : 'Redis, durable';
  } finally {
    await store.close();
  }
}
