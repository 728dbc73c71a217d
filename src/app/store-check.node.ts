import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { codeOf, SallyportError } from '../core/errors.ts';
import { createIdentifier } from '../core/identity.ts';
import { silentLogger } from '../core/logger.ts';
import { openStore } from './store.node.ts';

/** For `sallyport doctor`. @throws Error that names the setting of a store that is away or not durable */
export async function storeIsDurable(config: Config): Promise<string> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
  try {
    await store.check().catch((error: Error) => {
      if (codeOf(error) === 'ERR_STORE_MISMATCH') throw error;
      const setting = config.store.redisUrl === undefined ? 'SALLYPORT_DATA_DIR' : 'SALLYPORT_REDIS_URL';
      throw new Error(`${setting}: ${error.message}`);
    });
    return config.store.redisUrl === undefined ? 'embedded, durable' : 'Redis, durable';
  } finally {
    await store.close();
  }
}
