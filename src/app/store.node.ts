import { join, resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import { codeOf, SallyportError } from '../core/errors.ts';
import type { Identifier } from '../core/identity.ts';
import type { Logger } from '../core/logger.ts';
import { defaultLimits, type Store, type StoreLimits } from '../queue/store.ts';

/** Opens the driver that the configuration chooses; the other one is never loaded. */
export async function openStore(config: Config, identifier: Identifier, logger: Logger): Promise<Store> {
  const { store, maxAge: maxAgeMs, retention: retentionMs, audit } = config;
  const leaseMs = config.worker.lease;
  // Twice a lease: by then a worker that took the wake has shown itself.
  const timing = { leaseMs, rewakeMs: 2 * leaseMs, maxAgeMs, retentionMs, auditKeepMs: audit.keep };
  const limits: StoreLimits = { ...defaultLimits, ...timing, queueCap: store.queueCap };
  // A process with another id key would see every event as new; the store remembers this digest and refuses it.
  const idCheck = identifier.digest('id-check', []);
  if (store.redisUrl === undefined) {
    const { openEmbeddedStore } = await import('../queue/embedded/open.ts');
    const path = join(resolve(store.dataDir), 'sallyport.db');
    return openEmbeddedStore({ path, limits, idCheck, logger }).catch((error: unknown) => {
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
    relay: { claimMs: leaseMs / 2 },
  });
}
