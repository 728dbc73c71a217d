import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, SENTINEL_NAME } from '../../../deploy/local/redis.js';
import { type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import { freshKeys } from '../campaign.ts';
import { type RedisServer, type RedisServers, startRedisCluster, startRedisSentinels } from '../redis.ts';
import { type RoleProcess, startRole } from '../role.ts';
import { until } from '../until.ts';

export type Topology = 'cluster' | 'sentinel';

/** Sallyport as it is run on several machines, on one: every process is one of its own. */
export interface World {
  readonly topology: Topology;
  readonly slack: SlackServer;
  readonly ingresses: readonly RoleProcess[];
  readonly workers: readonly RoleProcess[];
  readonly signingSecret: string;
  /** The primaries of this moment. */
  primaries(): Promise<RedisServer[]>;
  stop(): Promise<void>;
}

const SHARDS = 8;
/** Enough for each of eight shards to have some. */
export const TENANTS = Array.from({ length: 24 }, (_, n) => `tenant-${n}`);

/**
 * Starts Redis, a local Slack and `each` processes of either role. Their logs are in `logs`, a folder that is kept, or
 * otherwise in one that is removed.
 */
export async function startWorld(
  topology: Topology,
  { each, logs }: { readonly each: number; readonly logs?: string | undefined },
): Promise<World> {
  const folder = logs ?? (await mkdtemp(join(tmpdir(), 'sallyport-scale-')));
  await mkdir(folder, { recursive: true });
  const password = randomBytes(24).toString('hex');
  const begin = topology === 'cluster' ? startRedisCluster(3, password) : startRedisSentinels(password);
  const [redis, slack] = await Promise.all([begin, startSlackServer()]);
  const { SLACK_SIGNING_SECRET: signingSecret, SLACK_BOT_TOKEN: botToken, ...keys } = freshKeys();
  const channel = { slack: { signingSecrets: [signingSecret], botToken, apiUrl: slack.url } };
  const tenants = Object.fromEntries(TENANTS.map((tenant) => [tenant, channel]));
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants }));
  const environment = {
    ...keys,
    SALLYPORT_REDIS_URL: redis.url,
    SALLYPORT_MIN_REPLICAS: '1',
    ...(topology === 'cluster' && { SALLYPORT_REDIS_SHARDS: String(SHARDS) }),
    LOG_LEVEL: 'warn',
  };
  const startAll = (role: string) =>
    Promise.all(Array.from({ length: each }, () => startRole({ role, environment, folder })));
  const [ingresses, workers] = await Promise.all([startAll('ingress'), startAll('worker')]);
  await Promise.all([...ingresses, ...workers].map(untilReady));
  return {
    ...{ topology, slack, ingresses, workers, signingSecret },
    primaries: () => primariesOf(topology, redis, password),
    async stop() {
      await Promise.all([...ingresses, ...workers].map((role) => role.kill()));
      await Promise.all([redis.stop(), slack.stop()]);
      if (logs === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until a process is ready, as whoever replaces processes one by one does. */
export const untilReady = ({ url }: RoleProcess): Promise<void> =>
  until('the process is ready', () => fetch(`${url}/ready`).then(({ ok }) => ok));

async function primariesOf(topology: Topology, { nodes }: RedisServers, password: string): Promise<RedisServer[]> {
  if (topology === 'cluster') {
    const answers = await Promise.all(nodes.map(({ port }) => ask(port, 'INFO replication', password)));
    return nodes.filter((_, at) => answers[at]?.includes('role:master'));
  }
  const sentinel = nodes.at(-1)?.port ?? 0;
  const address = await ask(sentinel, `SENTINEL get-master-addr-by-name ${SENTINEL_NAME}`);
  return nodes.filter(({ port }) => address.includes(`\r\n${port}\r\n`));
}
