import { join } from 'node:path';
import type { StoreCounts } from '../cli/store-access.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { SallyportError } from '../core/errors.ts';
import { createIdentifier } from '../core/identity.ts';
import { silentLogger } from '../core/logger.ts';
import { isDataFileCurrent } from '../queue/embedded/file/data-file.ts';
import { DATA_FILE, openStore } from './store.node.ts';

/**
 * For `sallyport support-bundle`: figures of the store. Null where looking would change something: opening makes a data file
 * that is missing, and lifts one of an earlier release.
 * @throws SallyportError as the store does, or without its key
 */
export async function storeCounts(config: Config): Promise<StoreCounts | null> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  if (config.store.redisUrl === undefined && !(await isDataFileCurrent(join(config.store.dataDir, DATA_FILE))))
    return null;
  const store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
  try {
    const [{ states, oldestMs }, { byCode }] = [await store.jobs.stats(), await store.jobs.parked()];
    return { events: { ...states }, parkedByCode: Object.fromEntries(byCode), oldestMs };
  } finally {
    await store.close();
  }
}
