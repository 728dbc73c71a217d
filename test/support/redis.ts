import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as local from '../../deploy/local/redis.js';
import { endWithParent } from './children.ts';
import { freePort } from './free-port.ts';
import { describeWith } from './needs.ts';

export type { RedisServer, RedisServers } from '../../deploy/local/redis.js';

export type RedisOptions = Pick<local.RedisServerOptions, 'args' | 'sentinel' | 'password'>;

/** A `describe` for suites that start a redis-server; redis-cli forms clusters. */
export const describeRedis = describeWith('redis-server', 'redis-cli');

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sallyport-redis-'));

/** What every server of a test shares: it ends with the test process at the latest, also when that is killed. */
const common = { folderOf: newFolder, onStart: endWithParent };

/** A private redis-server in its own folder on its own port. */
export async function startRedis(options: RedisOptions = {}): Promise<local.RedisServer> {
  return local.startRedis({ ...options, ...common, port: await freePort(), folder: await newFolder() });
}

/** Primaries with one replica each, ready for commands; `url` is the comma list that `openRedisStore` takes. */
export async function startRedisCluster(masters = 3, password?: string): Promise<local.RedisServers> {
  const ports = [];
  for (let i = 0; i < masters * 2; i += 1) ports.push({ port: await freePort(), busPort: await freePort() });
  return local.startRedisCluster({ ...common, ports, password });
}

/** A primary, two replicas and three Sentinels, in this order. */
export async function startRedisSentinels(password?: string): Promise<local.RedisServers> {
  const [primary, ...others] = await Promise.all(Array.from({ length: 6 }, freePort));
  if (primary === undefined) throw new Error('no port');
  return local.startRedisSentinels({
    ...common,
    ...{ primary, replicas: others.slice(0, 2), sentinels: others.slice(2), password },
  });
}

/** A Sentinel of its own quorum that watches the master as `main` and replaces it after a second of silence. */
export async function startSentinel(masterPort: number): Promise<local.RedisServer> {
  return startRedis({ sentinel: local.sentinelLines({ primary: masterPort, quorum: 1, downAfterMs: 1_000 }) });
}
