import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Client } from './connection.ts';
import { type Info, infoOfMasters } from './info.ts';

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
