import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startSlackServer } from '../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../src/testing/slack/signer.ts';
import { startRedis } from '../test/support/redis.ts';
import { type RoleProcess, startRole } from '../test/support/role.ts';
import { median } from './median.ts';
import { markdown, writeSection } from './report.ts';

// From the arrival of a delivery to the start of its run, and what a quiet tenant waits behind a hot one. Both from the
// workers' own log lines (`waitedMs`), over a real Redis, with replies posted to a local Slack.
const SECRET = randomBytes(16).toString('hex');
const rounds = Number(process.argv[2] ?? 5);

interface World {
  readonly ingress: RoleProcess;
  readonly folder: string;
  stop(): Promise<void>;
}

async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-latency-'));
  const [redis, slack] = await Promise.all([startRedis(), startSlackServer()]);
  const channel = { slack: { signingSecrets: [SECRET], botToken: 'xoxb-local-token-for-bench', apiUrl: slack.url } };
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants: { hot: channel, quiet: channel } }));
  const environment = {
    SALLYPORT_REDIS_URL: redis.url,
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
  };
  const ingress = await startRole({ role: 'ingress', environment, folder });
  const worker = await startRole({ role: 'worker', environment, folder });
  return {
    ingress,
    folder,
    async stop() {
      await Promise.all([ingress.stop(), worker.stop()]);
      await Promise.all([redis.stop(), slack.stop()]);
    },
  };
}

/** Sends a message of a conversation of its own; resolves with the event id. */
async function send({ ingress }: World, tenant: string, index: number): Promise<string> {
  const payload = slackMessage({ at: Date.now(), text: `message ${index}`, channel: `C${index % 500}` });
  const signed = signSlackRequest(slackJson(payload), { signingSecret: SECRET, at: Date.now() });
  const response = await fetch(`${ingress.url}/hooks/slack/${tenant}`, {
    ...signed,
    body: new Uint8Array(signed.body),
  });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  return response.headers.get('x-sallyport-event') ?? '';
}

/** `waitedMs` of every finished attempt so far, by event id. */
async function waits({ folder }: World): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const file of (await readdir(folder)).filter((name) => name.startsWith('worker'))) {
    for (const line of (await readFile(join(folder, file), 'utf8')).split('\n')) {
      if (!line.includes('attempt.finished')) continue;
      const { eventId, waitedMs } = JSON.parse(line) as { eventId: string; waitedMs: number };
      found.set(eventId, waitedMs);
    }
  }
  return found;
}

async function untilRun(world: World, ids: readonly string[]): Promise<Map<string, number>> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await waits(world);
    if (ids.every((id) => found.has(id))) return found;
    await delay(100);
  }
  throw new Error('not every event was run');
}

const PER_SECOND = 200;
/** The first two seconds: code that is new to a process runs many times slower. */
const WARM_UP = 2 * PER_SECOND;
const MEASURED = 8 * PER_SECOND;

async function steady(): Promise<{ p50: number; p99: number; first: number }> {
  const world = await startWorld();
  try {
    const sending: Promise<string>[] = [];
    const startedAt = performance.now();
    for (let n = 0; n < WARM_UP + MEASURED; n += 1) {
      await delay(Math.max(0, startedAt + (n * 1000) / PER_SECOND - performance.now()));
      sending.push(send(world, 'quiet', n));
    }
    const ids = await Promise.all(sending);
    const found = await untilRun(world, ids);
    const waited = ids.map((id) => found.get(id) ?? Number.NaN);
    const sorted = waited.slice(WARM_UP).sort((a, b) => a - b);
    return {
      p50: sorted[Math.floor(sorted.length / 2)] ?? 0,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      first: Math.max(...waited.slice(0, WARM_UP)),
    };
  } finally {
    await world.stop();
  }
}

async function quietBehindHot(): Promise<number> {
  const world = await startWorld();
  try {
    for (let n = 0; n < 4000; n += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => send(world, 'hot', n + i)));
    }
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.push(await send(world, 'quiet', n));
    const found = await untilRun(world, ids);
    return Math.max(...ids.map((id) => found.get(id) ?? Number.NaN));
  } finally {
    await world.stop();
  }
}

const steadies = [];
const quiets = [];
for (let round = 0; round < rounds; round += 1) {
  const one = await steady();
  const quiet = await quietBehindHot();
  console.log(
    `round ${round + 1}: p50 ${one.p50} ms, p99 ${one.p99} ms, slowest at first ${one.first} ms; quiet tenant ${quiet} ms`,
  );
  steadies.push(one);
  quiets.push(quiet);
}
const table = markdown(
  ['what', 'median', 'min–max'],
  [
    row(
      'accept → run start at 200/s, p50 (ms)',
      steadies.map(({ p50 }) => p50),
    ),
    row(
      'accept → run start at 200/s, p99 (ms)',
      steadies.map(({ p99 }) => p99),
    ),
    row(
      'slowest of the first 400, sent to processes just started (ms)',
      steadies.map(({ first }) => first),
    ),
    row('slowest of 5 events of a quiet tenant behind 4,000 hot ones (ms)', quiets),
  ],
);
console.log(table);
await writeSection('latency', table);

function row(name: string, values: readonly number[]): string[] {
  return [name, String(median(values)), `${Math.min(...values)}–${Math.max(...values)}`];
}
