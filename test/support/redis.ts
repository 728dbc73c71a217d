import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { endWithParent } from './children.ts';
import { freePort } from './free-port.ts';
import { describeWith } from './needs.ts';
import { until } from './until.ts';

/** A private redis-server in its own folder on its own port. Ends with the test process at the latest, also when that is killed. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Where its files are. */
  readonly folder: string;
  /** The running process; another one after `restart`. */
  readonly process: ChildProcess;
  /** SIGSTOP: the process hangs with its sockets open. */
  pause(): void;
  resume(): void;
  /** SIGKILL; the data folder stays for `restart`. */
  kill(): Promise<void>;
  /** Starts the server again on the same port and folder. */
  restart(): Promise<void>;
  /** SIGKILL and removal of the data folder. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Extra command line arguments; they override the defaults (AOF everysec, no RDB, noeviction). */
  readonly args?: readonly string[];
  /** Configuration of a Sentinel, which this is then instead of a store. */
  readonly sentinel?: string;
}

/** A `describe` for suites that start a redis-server; redis-cli forms clusters. */
export const describeRedis = describeWith('redis-server', 'redis-cli');

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-redis-'));
  let child = await launch(port, folder, options);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    get process() {
      return child;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: () => end(child),
    restart: async () => {
      await end(child);
      child = await launch(port, folder, options);
    },
    stop: async () => {
      await end(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface RedisClusterServers {
  /** The comma list that `openRedisStore` takes. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Masters with one replica each, formed by redis-cli, ready for commands. */
export async function startRedisCluster(masters = 3): Promise<RedisClusterServers> {
  const nodes: RedisServer[] = [];
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    for (let i = 0; i < masters * 2; i += 1) {
      const busPort = String(await freePort());
      const args = ['--cluster-enabled', 'yes', '--cluster-port', busPort, '--cluster-node-timeout', '2000'];
      nodes.push(await startRedis({ args }));
    }
    await formCluster(nodes.map(({ port }) => port));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: nodes.map(({ url }) => url).join(','), nodes, stop };
}

async function formCluster(ports: readonly number[]): Promise<void> {
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const args = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'];
  const created = spawnSync('redis-cli', args, { encoding: 'utf8', timeout: 60_000 });
  if (created.status !== 0) throw new Error(`redis-cli could not form the cluster: ${created.stdout}${created.stderr}`);
  await Promise.all(ports.map(untilClusterReady));
  await Promise.all(ports.map(untilReplicated));
}

/** A Sentinel of its own quorum that watches the master as `main` and replaces it after a second of silence. */
export async function startSentinel(masterPort: number): Promise<RedisServer> {
  const watch = ['sentinel monitor main 127.0.0.1', masterPort, '1'].join(' ');
  const times = 'sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n';
  return startRedis({ sentinel: `${watch}\n${times}` });
}

async function untilClusterReady(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  try {
    await until('the cluster is formed', async () => {
      const info = String(await client.cluster('INFO'));
      return info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384');
    });
  } finally {
    client.disconnect();
  }
}

/**
 * A master has its replica in step, or this is a replica in step with its master. A replica is online before it has
 * acknowledged anything, and only its first acknowledgement, up to a second later, starts the stream of commands to it.
 */
async function untilReplicated(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  try {
    const isInStep = async () =>
      /state=online,offset=[1-9]|master_link_status:up/.test(await client.info('replication'));
    await until('master and replica are in step', isInStep);
  } finally {
    client.disconnect();
  }
}

async function launch(port: number, folder: string, { args = [], sentinel }: RedisOptions): Promise<ChildProcess> {
  const file = join(folder, 'sentinel.conf');
  if (sentinel !== undefined) await writeFile(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\n${sentinel}`);
  const child = spawn(
    'redis-server',
    sentinel !== undefined
      ? [file, '--sentinel']
      : [
          ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'],
          ...['--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0'],
          ...args,
        ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  endWithParent(child);
  await untilReady(child, port);
  return child;
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on('error', () => {});
  try {
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`redis-server ended at start with exit code ${code}`);
    });
    // ioredis counts a server that still loads its AOF as not ready, so this waits for that too.
    await Promise.race([new Promise((resolve) => client.once('ready', resolve)), failed]);
  } finally {
    client.disconnect();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
