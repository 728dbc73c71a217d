import type { DevKeys } from '../cli/dev/secrets.ts';
import type { Io } from '../cli/io.ts';
import type { Config } from '../config/schema.ts';
import { toHex } from '../core/crypto/encoding.ts';
import { codeOf } from '../core/errors.ts';
import { openRuntime, type Runtime } from './runtime.node.ts';

/**
 * Opens the store of `dev` with the configured keys or, where it was made with the development keys, with these.
 * @throws SallyportError ERR_STORE_MISMATCH when it was made with neither
 */
export async function openDevRuntime(config: Config, keys: DevKeys, io: Io): Promise<Runtime> {
  const { configured, own } = keys;
  try {
    return await openRuntime({ ...config, keys: configured }, true);
  } catch (error) {
    if (own === null || codeOf(error) !== 'ERR_STORE_MISMATCH') throw error;
    const runtime = await openRuntime({ ...config, keys: own }, true);
    const isSealKept = isSame(configured.seal?.[0], own.seal?.[0]);
    const settings = isSealKept ? 'SALLYPORT_ID_KEY' : 'SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY';
    const another =
      config.store.redisUrl === undefined
        ? 'set another SALLYPORT_DATA_DIR or remove that folder'
        : 'set another SALLYPORT_REDIS_PREFIX';
    io.complain(
      `${settings}: dev keeps the keys its store was made with; for a store with the configured ones, ${another}`,
    );
    return runtime;
  }
}

const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && toHex(one) === toHex(other);
