import { SallyportError } from '../../core/errors.ts';
import type { Client } from './client/connection.ts';
import { runScript, scripts } from './scripts.ts';

/** What all processes on one Redis must agree on, because otherwise the same event would be new under another key. */
export interface Agreement {
  /**
   * Resolves at once after it has succeeded the first time.
   * @throws SallyportError ERR_STORE_MISMATCH; otherwise what the client throws
   */
  ensure(): Promise<void>;
}

export function createAgreement(client: Client, key: string, shards: number, idCheck: string): Agreement {
  let isAgreed = false;
  return {
    async ensure() {
      if (isAgreed) return;
      const stored = await runScript(client, scripts.meta, key, [shards, idCheck]);
      const [storedShards, storedCheck] = stored as [string, string];
      if (storedShards !== String(shards)) throw mismatch('SALLYPORT_REDIS_SHARDS');
      if (storedCheck !== idCheck) throw mismatch('SALLYPORT_ID_KEY');
      isAgreed = true;
    },
  };
}

const mismatch = (variable: string): SallyportError =>
  new SallyportError(
    'ERR_STORE_MISMATCH',
    `${variable}: is not the value this Redis was first used with; set that value again, or set another SALLYPORT_REDIS_PREFIX`,
  );
