import type { Cluster, Redis } from 'ioredis';
import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Client } from './connection.ts';

/** What INFO says: fields by name. */
type Info = ReadonlyMap<string, string>;

/**
 * INFO (or one section of it) of the server, or of every master of a Cluster.
 * @throws SallyportError ERR_STORE_UNAVAILABLE when a Cluster knows no master; otherwise what the client throws
 */
export async function infoOfMasters(client: Client, section?: string): Promise<readonly Info[]> {
  const masters: readonly Redis[] = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  if (masters.length === 0) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'Redis Cluster knows no master');
  return Promise.all(
    masters.map(async (node) => parseInfo(await (section === undefined ? node.info() : node.info(section)))),
  );
}

function parseInfo(text: string): Info {
  const pairs = text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return new Map(pairs);
}

/** Accepting needs `SET ... NX GET`, which Redis has since 7.0. */
const OLDEST_VERSION = 7;

/**
 * Checks by INFO alone, because managed Redis blocks CONFIG, that what this Redis acknowledges survives it.
 * @throws SallyportError ERR_STORE_UNSAFE with the settings to change; otherwise what the client throws
 */
export async function checkDurability(client: Client, allowUnsafe: boolean, logger: Logger): Promise<void> {
  const problems = new Set<string>();
  for (const info of await infoOfMasters(client)) {
    for (const problem of problemsOf(info)) problems.add(problem);
  }
  if (problems.size === 0) return;
  const text = `Redis may lose acknowledged events: ${[...problems].join('; ')}`;
  if (!allowUnsafe) throw new SallyportError('ERR_STORE_UNSAFE', text);
  logger.warn({ problems: [...problems] }, 'store.unsafe');
}

function problemsOf(info: Info): string[] {
  const problems: string[] = [];
  if (Number.parseInt(info.get('redis_version') ?? '', 10) < OLDEST_VERSION) problems.push('use Redis 7.0 or later');
  if (info.get('aof_enabled') !== '1') problems.push('set appendonly yes');
  else if (info.get('aof_last_write_status') !== 'ok') problems.push('the last write to the AOF failed (disk full?)');
  if (info.get('maxmemory_policy') !== 'noeviction') problems.push('set maxmemory-policy noeviction');
  return problems;
}

/** Knows when Redis has too little memory left to accept more. */
export interface MemoryGuard {
  /** Answers from the latest look and takes another one beside it when that is old. */
  isFull(): boolean;
}

/**
 * The last tenth belongs to those who empty the queue: at the limit itself Redis refuses every write, the workers' too,
 * and nothing would ever move again.
 */
const FULL_AT = 0.9;
/** At 10,000 events of 2 KB a second that is 5 MB late. */
const LOOK_EVERY_MS = 250;

export function createMemoryGuard(client: Client): MemoryGuard {
  let isFull = false;
  let lookedAt = 0;
  async function look(): Promise<void> {
    const ratios = (await infoOfMasters(client, 'memory')).map(memoryRatioOf);
    isFull = ratios.some((ratio) => ratio !== null && ratio > FULL_AT);
  }
  return {
    isFull: () => {
      if (Date.now() - lookedAt > LOOK_EVERY_MS) {
        lookedAt = Date.now();
        // Redis away or hanging is not for this guard to say: accepting finds out.
        look().catch(() => {});
      }
      return isFull;
    },
  };
}

/** Used share of `maxmemory`; null where there is no limit. */
export function memoryRatioOf(info: Info): number | null {
  const limit = Number(info.get('maxmemory') ?? 0);
  return limit > 0 ? Number(info.get('used_memory')) / limit : null;
}
