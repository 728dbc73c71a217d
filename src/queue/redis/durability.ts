import type { Redis } from 'ioredis';
import { SallyportError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Client } from './connection.ts';

/** Accepting needs `SET ... NX GET`, which Redis has since 7.0. */
const OLDEST_VERSION = 7;

/**
 * Checks by INFO alone, because managed Redis blocks CONFIG, that what this Redis acknowledges survives it.
 * @throws SallyportError ERR_STORE_UNSAFE with the settings to change; otherwise what the client throws
 */
export async function checkDurability(client: Client, allowUnsafe: boolean, logger: Logger): Promise<void> {
  const problems = new Set<string>();
  for (const node of await mastersOf(client)) {
    for (const problem of problemsOf(parseInfo(await node.info()))) problems.add(problem);
  }
  if (problems.size === 0) return;
  const text = `Redis may lose acknowledged events: ${[...problems].join('; ')}`;
  if (!allowUnsafe) throw new SallyportError('ERR_STORE_UNSAFE', text);
  logger.warn({ problems: [...problems] }, 'store.unsafe');
}

async function mastersOf(client: Client): Promise<readonly Redis[]> {
  if (!client.isCluster) return [client as Redis];
  const masters = (client as Exclude<Client, Redis>).nodes('master');
  if (masters.length === 0) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'Redis Cluster knows no master');
  return masters;
}

function problemsOf(info: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  if (Number.parseInt(info.get('redis_version') ?? '', 10) < OLDEST_VERSION) problems.push('use Redis 7.0 or later');
  if (info.get('aof_enabled') !== '1') problems.push('set appendonly yes');
  else if (info.get('aof_last_write_status') !== 'ok') problems.push('the last write to the AOF failed (disk full?)');
  if (info.get('maxmemory_policy') !== 'noeviction') problems.push('set maxmemory-policy noeviction');
  return problems;
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const pairs = text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return new Map(pairs);
}
