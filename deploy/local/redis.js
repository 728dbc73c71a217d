// Redis servers on this machine: one, a Cluster, or a primary with replicas and Sentinels. `redis-cluster`, `redis-sentinel`
// and the tests start them with it. It needs redis-server and redis-cli 7 or later and nothing but Node's own modules.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const HOST = '127.0.0.1';

/** The name under which Sentinels know the primary. */
export const SENTINEL_NAME = 'main';

/** Starts a server and waits until it serves. @throws Error when it ends or does not serve within 50 s */
export async function startRedis({ port, folder, password, lines = [], args = [], sentinel, onStart = () => {} }) {
  await mkdir(folder, { recursive: true });
  const file = join(folder, sentinel === undefined ? 'redis.conf' : 'sentinel.conf');
  const common = [`port ${port}`, `bind ${HOST}`, `dir ${folder}`, `logfile ${join(folder, 'redis.log')}`];
  const own = sentinel ?? [...storeLines(password), ...lines];
  // Passwords stand in a file of its owner and not in arguments, which every user of the machine can read. A Sentinel
  // writes into its file what it has learned, so a restart must leave it alone.
  await writeFile(file, `${[...common, ...own].join('\n')}\n`, { mode: 0o600 });

  const launch = async () => {
    const mode = sentinel === undefined ? args : ['--sentinel'];
    const child = spawn('redis-server', [file, ...mode], { stdio: ['ignore', 'ignore', 'inherit'] });
    onStart(child);
    let failure;
    child.once('error', (error) => {
      failure = error;
    });
    await until(`redis-server on port ${port} serves`, async () => {
      if (failure !== undefined) throw failure;
      if (hasEnded(child)) throw new Error(`redis-server ended at start with exit code ${child.exitCode}`);
      return (await ask(port, 'PING', sentinel === undefined ? password : undefined)).includes('+PONG');
    });
    return child;
  };

  let child = await launch();
  return {
    url: `redis://${login(password)}${HOST}:${port}`,
    port,
    folder,
    get process() {
      return child;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: () => end(child, 'SIGKILL'),
    restart: async () => {
      await end(child, 'SIGKILL');
      child = await launch();
    },
    end: () => end(child, 'SIGTERM'),
    stop: async () => {
      await end(child, 'SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * What Sallyport requires of a store. A replica is sent what it lacks without a pause (5 s by default), and is in step only
 * once the primary has sent it something more, at the latest a ping (every 10 s by default).
 */
const storeLines = (password) => [
  ...['save ""', 'appendonly yes', 'appendfsync everysec', 'maxmemory-policy noeviction'],
  ...['repl-diskless-sync-delay 0', 'repl-ping-replica-period 1'],
  ...(password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`]),
];

const login = (password) => (password === undefined ? '' : `:${encodeURIComponent(password)}@`);

/** Starts primaries with one replica each, forms a Cluster of them and waits until each replica is in step. */
export async function startRedisCluster({ ports, folderOf, password, nodeTimeoutMs = 2_000, onStart }) {
  return startTogether(async (start) => {
    for (const { port, busPort } of ports) {
      const lines = ['cluster-enabled yes', `cluster-port ${busPort}`, `cluster-node-timeout ${nodeTimeoutMs}`];
      await start({ port, folder: await folderOf(port), password, lines, onStart });
    }
    const all = ports.map(({ port }) => port);
    const addresses = all.map((port) => `${HOST}:${port}`);
    const form = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'];
    const env = { ...process.env, ...(password !== undefined && { REDISCLI_AUTH: password }) };
    await promisify(execFile)('redis-cli', form, { env, timeout: 60_000 });
    const isFormed = async (port) => {
      const info = await ask(port, 'CLUSTER INFO', password);
      return info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384');
    };
    for (const port of all) await until('the cluster is formed', () => isFormed(port));
    for (const port of all) await untilReplicated(port, 1, password);
    return { url: addresses.map((address) => `redis://${login(password)}${address}`).join(',') };
  });
}

/** Starts a primary, its replicas and Sentinels, and waits until these have found all of them. */
export async function startRedisSentinels({ primary, replicas, sentinels, folderOf, password, downAfterMs, onStart }) {
  return startTogether(async (start) => {
    await start({ port: primary, folder: await folderOf(primary), password, onStart });
    for (const port of replicas) {
      // In its file, which a Sentinel has it rewrite: a server started again has the role that it had last.
      const lines = [`replicaof ${HOST} ${primary}`];
      await start({ port, folder: await folderOf(port), password, lines, onStart });
    }
    await untilReplicated(primary, replicas.length, password);
    const quorum = Math.floor(sentinels.length / 2) + 1;
    const lines = sentinelLines({ primary, quorum, password, downAfterMs });
    for (const port of sentinels) await start({ port, folder: await folderOf(port), sentinel: lines, onStart });
    for (const port of sentinels) {
      await until('the Sentinels have found each other and the replicas', async () => {
        const found = fieldsOf(await ask(port, `SENTINEL master ${SENTINEL_NAME}`));
        const others = Number(found.get('num-other-sentinels'));
        return others === sentinels.length - 1 && Number(found.get('num-slaves')) === replicas.length;
      });
    }
    const addresses = sentinels.map((port) => `${HOST}:${port}`).join(',');
    return { url: `redis+sentinel://${login(password)}${addresses}/${SENTINEL_NAME}` };
  });
}

/**
 * Configuration of a Sentinel. `downAfterMs` is the silence after which it takes a server for dead.
 */
export const sentinelLines = ({ primary, quorum, password, downAfterMs = 2_000 }) => [
  `sentinel monitor ${SENTINEL_NAME} ${HOST} ${primary} ${quorum}`,
  `sentinel down-after-milliseconds ${SENTINEL_NAME} ${downAfterMs}`,
  // A failover that comes to nothing is tried again after twice that.
  `sentinel failover-timeout ${SENTINEL_NAME} ${downAfterMs * 3}`,
  ...(password === undefined ? [] : [`sentinel auth-pass ${SENTINEL_NAME} ${password}`]),
];

/** Runs `body`, and ends every server that it has started if it fails. */
async function startTogether(body) {
  const nodes = [];
  // Those that watch end first, so that they do not replace what ends after them.
  const stop = async () => {
    for (const node of [...nodes].reverse()) await node.stop();
  };
  try {
    const more = await body(async (options) => nodes.push(await startRedis(options)));
    return { ...more, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Waits until a primary has so many replicas in step, or this is a replica in step with its primary. A replica is online
 * before it has acknowledged anything, and only its first acknowledgement, up to a second later, starts the stream of
 * commands to it.
 */
export async function untilReplicated(port, count, password) {
  await until('primary and replicas are in step', async () => {
    const info = await ask(port, 'INFO replication', password);
    const online = info.match(/state=online,offset=[1-9]/g) ?? [];
    return online.length >= count || info.includes('master_link_status:up');
  });
}

/** Ms after which a server on this machine that has not answered is taken for one that hangs. */
const ANSWER_MS = 2_000;

/** What a server answers to a command, as it is on the wire; empty when it does not answer. */
export function ask(port, command, password) {
  const lines = [...(password === undefined ? [] : [`AUTH ${password}`]), command, ''].join('\r\n');
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, HOST, () => socket.end(lines));
    socket.setEncoding('utf8').setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {}).once('close', () => resolve(text));
  });
}

/** The fields of an answer that is a list of names and values. */
function fieldsOf(answer) {
  const words = answer.split('\r\n').filter((line) => !/^[*$]/.test(line));
  return new Map(Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i], words[2 * i + 1]]));
}

/** Long enough for a machine with ten times more work than cores. */
const START_MS = 50_000;

async function until(what, holds) {
  for (const givesUpAt = performance.now() + START_MS; !(await holds()); await delay(20)) {
    if (performance.now() > givesUpAt) throw new Error(`gave up after ${START_MS} ms: ${what}`);
  }
}

const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null;

async function end(child, signal) {
  if (hasEnded(child)) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  // A server that was stopped does not see any other signal.
  child.kill('SIGCONT');
  await exited;
}
