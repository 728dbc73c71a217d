import type { Clock } from '../../core/clock.ts';
import type { Agreement } from './agreement.ts';
import type { Client } from './client/connection.ts';
import { unavailable } from './client/failure.ts';
import type { Keys } from './keys.ts';
import { runScript, type Script, type ScriptArgument } from './scripts.ts';

/** Runs scripts on the shard of a tenant over one connection. */
export interface Shards {
  readonly keys: Keys;
  readonly client: Client;
  /** The `now` argument of scripts: a test's clock, or 0 for Redis' own. */
  now(): number;
  /** @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH */
  run(script: Script, tag: string, args: readonly ScriptArgument[]): Promise<unknown>;
}

export interface ShardsDeps {
  readonly client: Client;
  readonly keys: Keys;
  readonly agreement: Agreement;
  readonly clock: Clock | undefined;
}

export function createShards({ client, keys, agreement, clock }: ShardsDeps): Shards {
  return {
    keys,
    client,
    now: () => clock?.() ?? 0,
    async run(script, tag, args) {
      try {
        await agreement.ensure();
        return await runScript(client, script, tag, args);
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}
