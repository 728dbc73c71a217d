/**
 * One hostile client beside honest Slack traffic, through the same untrusted proxy: `npx tsx bench/hostile.ts [seconds]`.
 *
 * - `--each`: first each part of the client's traffic by itself.
 * - `--control`: instead of the gate, a server that decides by the headers alone.
 * - `--of <worktree>`: the build of another worktree.
 *
 * The client is a process of its own (`attack <port> <ms> <plan>`), so that its work is not measured as the gate's, and of a
 * lower priority, because elsewhere it has a machine of its own.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { attack, FULL_HOSTILITY, type Hostility } from '../test/support/hostile-client.ts';
import { startRedis } from '../test/support/redis.ts';
import { signedRequestParts, slackEvent } from './load.ts';
import { cpuSeconds, freePort, rssMiB, type Server, start } from './process.ts';

const SECRET = randomBytes(16).toString('hex');
/** Honest deliveries a second. */
const RATE = 50;
/** Niceness of the client. */
const CLIENT_NICE = 10;
/** The client has begun all of its traffic by then, in ms. */
const HEAD_START_MS = 3_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    each: { type: 'boolean', default: false },
    control: { type: 'boolean', default: false },
    of: { type: 'string', default: '.' },
  },
});

let written = 0;

if (positionals[0] === 'attack') {
  const [, port, ms, plan = ''] = positionals;
  await attackFor(Number(port), Number(ms), JSON.parse(plan) as Hostility);
} else {
  const seconds = Number(positionals[0] ?? 20);
  const nothing = Object.fromEntries(Object.keys(FULL_HOSTILITY).map((part) => [part, 0])) as unknown as Hostility;
  const parts = Object.entries(FULL_HOSTILITY).map(([part, much]) => [part, { ...nothing, [part]: much }] as const);
  const plans = [...(values.each ? parts : []), ['all', FULL_HOSTILITY] as const];
  const rows: Record<string, Awaited<ReturnType<typeof run>>> = {};
  for (const [name, plan] of plans) rows[name] = await run(plan, seconds);
  console.table(rows);
}

async function attackFor(port: number, ms: number, plan: Hostility): Promise<void> {
  setPriority(CLIENT_NICE);
  const client = attack(port, plan);
  await delay(ms);
  console.log(JSON.stringify(await client.stop()));
  process.exit(0);
}

/** Honest traffic alone, and then beside the client, to a process of its own. */
async function run(plan: Hostility, seconds: number) {
  const redis = await startRedis();
  const server = await startServer(redis.url);
  try {
    await honest(server, 5);
    const quiet = await honest(server, seconds);
    const before = rssMiB(server.pid);
    const ms = String(HEAD_START_MS + seconds * 1_000);
    const args = ['--import', 'tsx', 'bench/hostile.ts', 'attack', String(server.port), ms, JSON.stringify(plan)];
    const attacker = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    const exited = once(attacker, 'exit');
    await delay(HEAD_START_MS);
    const attacked = await honest(server, seconds);
    await exited;
    return {
      sent: attacked.sent,
      refused: attacked.refused,
      'quiet p50': quiet.p50,
      'quiet p99': quiet.p99,
      p50: attacked.p50,
      p99: attacked.p99,
      ratio: Number((attacked.p99 / quiet.p99).toFixed(1)),
      'sent late, p99': attacked.late,
      'RSS +MiB': Math.round(attacked.rss - before),
      cores: attacked.cores,
    };
  } finally {
    await server.stop();
    await redis.stop();
  }
}

async function startServer(redisUrl: string): Promise<Server> {
  const port = await freePort();
  if (values.control) return start(['--import', 'tsx', 'bench/contestants/headers-only.ts'], {}, port);
  const environment = {
    HOST: '127.0.0.1',
    SALLYPORT_REDIS_URL: redisUrl,
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
    SLACK_SIGNING_SECRET: SECRET,
    GRAPH_TENANT_ID: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
    GRAPH_CLIENT_STATE: 'a-client-state-of-some-length',
  };
  return start([join(values.of, 'bin/sallyport.js'), 'ingress'], environment, port);
}

/**
 * Honest deliveries at a fixed rate; each one's time counts from when it was due, so that a generator that lags shows.
 * `late`: ms that this process itself was late in sending them.
 */
async function honest({ port, pid }: Server, seconds: number) {
  const dispatcher = new Agent({ connections: 8 });
  const latencies: number[] = [];
  const lates: number[] = [];
  let refused = 0;
  let rss = 0;
  const cpuBefore = cpuSeconds(pid);
  const startedAt = performance.now();
  const all: Promise<void>[] = [];
  for (let n = 0; n < seconds * RATE; n += 1) {
    const dueAt = startedAt + (n * 1_000) / RATE;
    await delay(Math.max(0, dueAt - performance.now()));
    lates.push(performance.now() - dueAt);
    written += 1;
    const { headers, body } = signedRequestParts(SECRET, slackEvent(written, 1));
    const post = async (): Promise<void> => {
      const answer = await request(`http://127.0.0.1:${port}/hooks/slack/default`, {
        ...{ method: 'POST', dispatcher, body },
        headers: { ...headers, 'x-forwarded-for': '198.51.100.7' },
      });
      await answer.body.dump();
      if (answer.statusCode !== 200) refused += 1;
      latencies.push(performance.now() - dueAt);
    };
    all.push(
      post().catch(() => {
        refused += 1;
      }),
    );
    if (n % 10 === 0) rss = Math.max(rss, rssMiB(pid));
  }
  await Promise.all(all);
  await dispatcher.close();
  const at = (times: readonly number[], share: number): number =>
    Number(([...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN).toFixed(1));
  const cores = Number(((cpuSeconds(pid) - cpuBefore) / seconds).toFixed(2));
  return {
    sent: seconds * RATE,
    refused,
    p50: at(latencies, 0.5),
    p99: at(latencies, 0.99),
    late: at(lates, 0.99),
    rss,
    cores,
  };
}
