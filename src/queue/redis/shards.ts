import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { ConversationRef } from '../lease.ts';
import { type Client, failureKindOf, unavailable } from './client/connection.ts';
import { runScript, type Script, type ScriptArgument, scripts } from './scripts.ts';

/** Runs scripts on the shard of a tenant over one connection. */
export interface Shards {
  readonly keys: Keys;
  readonly client: Client;
  /** The `now` argument of scripts: a test's clock, or 0 for Redis' own. */
  now(): number;
  /** @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH */
  run(script: Script, tag: string, args: readonly ScriptArgument[]): Promise<unknown>;
  /** Counts what Redis did not do for a caller of `client`, and returns what to throw. What `run` threw is not counted again. */
  failed(error: unknown): SallyportError;
}

export function createShards({
  client,
  keys,
  agreement,
  clock,
  onFailure,
}: {
  readonly client: Client;
  readonly keys: Keys;
  readonly agreement: Agreement;
  readonly clock: Clock | undefined;
  /** Told of each request that Redis did not serve, with the kind of the failure. */
  readonly onFailure?: ((kind: string) => void) | undefined;
}): Shards {
  const failed = (error: unknown): SallyportError => {
    const kind = failureKindOf(error);
    if (kind !== null) onFailure?.(kind);
    return unavailable(error);
  };
  return {
    keys,
    client,
    now: () => clock?.() ?? 0,
    async run(script, tag, args) {
      try {
        await agreement.ensure();
        return await runScript(client, script, tag, args);
      } catch (error) {
        throw failed(error);
      }
    },
    failed,
  };
}

/** Names in Redis that several files must agree on. Everything below a shard's tag is named in `scripts/_shard.lua`. */
interface Keys {
  /** Every shard's hash tag, by number. */
  readonly tags: readonly string[];
  /** The tag of the tenant's shard: a stable hash, so every process and every release finds the same one. */
  tagOf(tenant: string): string;
  /** What all processes must agree on. */
  readonly meta: string;
  /** BullMQ's own tag: its keys live in one slot. */
  readonly executor: string;
  /** The ledger's tag: one reservation spans tenants, so all of it lives in one slot. */
  readonly budget: string;
  /** The tag of counts that belong to no tenant. */
  readonly limits: string;
}

export function createKeys(prefix: string, shards: number): Keys {
  const tags = Array.from({ length: shards }, (_, shard) => `{${prefix}:${shard}}`);
  return {
    tags,
    tagOf: (tenant) => tags[shards === 1 ? 0 : fnv1a(tenant) % shards] ?? '',
    meta: `{${prefix}:meta}`,
    executor: `{${prefix}:q}`,
    budget: `{${prefix}:budget}`,
    limits: `{${prefix}:limits}`,
  };
}

/** FNV-1a, 32 bit, over UTF-16 code units: spreads tenant names evenly, needs no library and will never change. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The name of a conversation within its shard. */
export const lineOf = ({ tenant, key }: ConversationRef): string => `${tenant}:${key}`;

/** What all processes on one Redis must agree on, because otherwise the same event would be new under another key. */
export interface Agreement {
  /**
   * Resolves at once after it has succeeded the first time.
   * @throws SallyportError ERR_STORE_MISMATCH; otherwise what the client throws
   */
  ensure(): Promise<void>;
  /**
   * Asks each time, and writes again what a flush or another Redis in its place has lost: otherwise a process with another
   * key could start beside this one.
   * @throws as `ensure`; nothing else is done in this store from then on
   */
  confirm(): Promise<void>;
}

export function createAgreement(client: Client, key: string, shards: number, idCheck: string): Agreement {
  let isAgreed = false;
  async function confirm(): Promise<void> {
    const stored = await runScript(client, scripts.meta, key, [shards, idCheck]);
    const [storedShards, storedCheck] = stored as [string, string];
    isAgreed = storedShards === String(shards) && storedCheck === idCheck;
    if (storedShards !== String(shards)) throw mismatch('SALLYPORT_REDIS_SHARDS');
    if (storedCheck !== idCheck) throw mismatch('SALLYPORT_ID_KEY');
  }
  return { confirm, ensure: async () => (isAgreed ? undefined : confirm()) };
}

const mismatch = (variable: string): SallyportError =>
  new SallyportError(
    'ERR_STORE_MISMATCH',
    `${variable}: is not the value this Redis was first used with; set that value again, or set another SALLYPORT_REDIS_PREFIX`,
  );
