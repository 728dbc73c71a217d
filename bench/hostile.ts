/**
 * One hostile client beside honest Slack traffic, through the same untrusted proxy: `npx tsx bench/hostile.ts [seconds]`.
 * The client is a process of its own (`attack <port> <ms>`), so that its work is not measured as the gate's.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { attack, FULL_HOSTILITY } from '../test/support/hostile-client.ts';
import { startRedis } from '../test/support/redis.ts';
import { signedRequestParts, slackEvent } from './load.ts';
import { cpuSeconds, freePort, rssMiB, start } from './process.ts';

const SECRET = randomBytes(16).toString('hex');
/** Honest deliveries a second. */
const RATE = 50;

let written = 0;

if (process.argv[2] === 'attack') await attackFor(Number(process.argv[3]), Number(process.argv[4]));
else await run(Number(process.argv[2] ?? 20));

async function attackFor(port: number, ms: number): Promise<void> {
  const client = attack(port, FULL_HOSTILITY);
  await delay(ms);
  console.log(JSON.stringify(await client.stop()));
  process.exit(0);
}

async function run(seconds: number): Promise<void> {
  const redis = await startRedis();
  const port = await freePort();
  const environment = {
    HOST: '127.0.0.1',
    SALLYPORT_REDIS_URL: redis.url,
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
    SLACK_SIGNING_SECRET: SECRET,
    GRAPH_TENANT_ID: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
    GRAPH_CLIENT_STATE: 'a-client-state-of-some-length',
  };
  const server = await start(['bin/sallyport.js', 'ingress'], environment, port);
  try {
    await honest(port, server.pid, 5);
    const quiet = await honest(port, server.pid, seconds);
    const before = rssMiB(server.pid);
    const args = ['--import', 'tsx', 'bench/hostile.ts', 'attack', String(port), String((seconds + 3) * 1_000)];
    const attacker = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    await delay(3_000);
    const attacked = await honest(port, server.pid, seconds);
    await once(attacker, 'exit');
    console.table({ quiet, attacked });
    console.log(
      `p99 ${(attacked.p99 / quiet.p99).toFixed(1)} times the quiet one; RSS grew by ${(attacked.rss - before).toFixed(0)} MiB`,
    );
  } finally {
    await server.stop();
    await redis.stop();
  }
}

/** Honest deliveries at a fixed rate; each one's time counts from when it was due, so that a generator that lags shows. */
async function honest(port: number, pid: number, seconds: number) {
  const dispatcher = new Agent({ connections: 8 });
  const latencies: number[] = [];
  let refused = 0;
  let rss = 0;
  const cpuBefore = cpuSeconds(pid);
  const startedAt = performance.now();
  const all: Promise<void>[] = [];
  for (let n = 0; n < seconds * RATE; n += 1) {
    const dueAt = startedAt + (n * 1_000) / RATE;
    await delay(Math.max(0, dueAt - performance.now()));
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
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    Number((latencies[Math.floor(latencies.length * share)] ?? Number.NaN).toFixed(1));
  const cpu = Number(((cpuSeconds(pid) - cpuBefore) / seconds).toFixed(2));
  return { sent: seconds * RATE, refused, p50: at(0.5), p99: at(0.99), rss: Math.round(rss), 'cores used': cpu };
}
