import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { signSlackRequest, slackJson, slackMessage } from '../src/testing/slack/signer.ts';
import { freePort } from '../test/support/free-port.ts';
import { startRedis } from '../test/support/redis.ts';
import { type RoleProcess, startRole } from '../test/support/role.ts';
import { echoSettings, startPosts } from './echo-gate.ts';
import { median } from './median.ts';
import { cpuSeconds } from './process.ts';
import { markdown, writeSection } from './report.ts';

// What a run costs besides its model: echo runs of one worker process over a real Redis, each with its lease, budget,
// journal, guardrails and a reply posted to a local Slack. First as many as it can, then at 50/s from delivery to post.
const rounds = Number(process.argv[2] ?? 3);
const FLOOD = Number(process.argv[3] ?? 3000);
const STEADY = Number(process.argv[4] ?? 1000);
const STEADY_PER_SECOND = 50;
const SECRET = randomBytes(16).toString('hex');

const now = (): number => performance.timeOrigin + performance.now();

interface World {
  /** Epoch ms at which each text was posted. */
  readonly at: ReadonlyMap<string, number>;
  readonly ingress: RoleProcess;
  readonly folder: string;
  startWorker(): Promise<RoleProcess>;
  stop(): Promise<void>;
}

async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-worker-'));
  const at = new Map<string, number>();
  const onPost = (text: string) => void at.set(text.replace(/^echo: /, ''), now());
  const [redis, posts] = await Promise.all([startRedis(), startPosts(onPost)]);
  const environment = echoSettings(redis.url, posts.url, SECRET);
  const roles = [await startRole({ role: 'ingress', environment, folder })];
  const [ingress] = roles;
  if (ingress === undefined) throw new Error('the ingress did not start');
  return {
    at,
    ingress,
    folder,
    async startWorker() {
      const worker = await startRole({ role: 'worker', environment, folder, port: await freePort() });
      roles.push(worker);
      return worker;
    },
    async stop() {
      await Promise.all(roles.map((role) => role.kill()));
      await redis.stop();
      posts.stop();
    },
  };
}

/** Sends a message of one of 500 conversations. */
async function send({ ingress }: World, text: string, index: number): Promise<void> {
  const at = Date.now();
  const channel = `D${String(index % 500).padStart(8, '0')}`;
  const ts = `${Math.floor(at / 1000)}.${String(index).padStart(6, '0')}`;
  const signed = signSlackRequest(slackJson(slackMessage({ text, at, channel, ts })), { signingSecret: SECRET, at });
  const request = { ...signed, body: new Uint8Array(signed.body) };
  const answer = await fetch(`${ingress.url}/hooks/slack/default`, request);
  if (answer.headers.get('x-sallyport-outcome') !== 'accepted') throw new Error(`answered ${answer.status}`);
}

async function untilPosted({ at }: World, count: number): Promise<void> {
  for (let tries = 0; at.size < count; tries += 1) {
    if (tries > 1200) throw new Error(`only ${at.size} of ${count} replies were posted`);
    await delay(100);
  }
}

/** Runs a second and processor time a run, all events waiting when the worker starts. */
async function flood(): Promise<{ perSecond: number; cpuMs: number }> {
  const world = await startWorld();
  try {
    for (let n = 0; n < FLOOD; n += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => send(world, `flood ${n + i}`, n + i)));
    }
    const worker = await world.startWorker();
    const pid = worker.child.pid ?? 0;
    await untilPosted(world, FLOOD / 4);
    const [doneBefore, cpuBefore, from] = [world.at.size, cpuSeconds(pid), now()];
    await untilPosted(world, FLOOD);
    const done = FLOOD - doneBefore;
    const last = Math.max(...world.at.values());
    return { perSecond: (done / (last - from)) * 1000, cpuMs: ((cpuSeconds(pid) - cpuBefore) / done) * 1000 };
  } finally {
    await world.stop();
  }
}

/** Delivery → reply posted, and the attempt itself by the worker's log, in ms. */
async function steady(): Promise<{ p50: number; p99: number; attempt: number }> {
  const world = await startWorld();
  try {
    await world.startWorker();
    await send(world, 'first', 999_999);
    await untilPosted(world, 1);
    const sentAt = new Map<string, number>();
    const sending: Promise<void>[] = [];
    const startedAt = performance.now();
    for (let n = 0; n < STEADY; n += 1) {
      await delay(Math.max(0, startedAt + (n * 1000) / STEADY_PER_SECOND - performance.now()));
      sentAt.set(`steady ${n}`, now());
      sending.push(send(world, `steady ${n}`, n));
    }
    await Promise.all(sending);
    await untilPosted(world, STEADY + 1);
    const took = [...sentAt].map(([text, at]) => (world.at.get(text) ?? Number.NaN) - at);
    return { p50: percentile(took, 0.5), p99: percentile(took, 0.99), attempt: percentile(await attempts(world), 0.5) };
  } finally {
    await world.stop();
  }
}

async function attempts({ folder }: World): Promise<number[]> {
  const logs = (await readdir(folder)).filter((name) => name.startsWith('worker'));
  const lines = (await Promise.all(logs.map((name) => readFile(join(folder, name), 'utf8')))).join('\n').split('\n');
  const finished = lines.filter((line) => line.includes('attempt.finished'));
  return finished.map((line) => (JSON.parse(line) as { ms: number }).ms);
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;

const floods = [];
const steadies = [];
for (let round = 1; round <= rounds; round += 1) {
  floods.push(await flood());
  steadies.push(await steady());
  console.log(`round ${round}:`, JSON.stringify({ ...floods.at(-1), ...steadies.at(-1) }));
}
const row = (name: string, values: readonly number[], digits: number): string[] => [
  name,
  median(values).toFixed(digits),
  `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`,
];
const of = <T>(all: readonly T[], name: keyof T): number[] => all.map((one) => Number(one[name]));
const table = markdown(
  ['what', 'median', 'min–max'],
  [
    row('echo runs a second of one worker process', of(floods, 'perSecond'), 0),
    row('processor time of the worker a run (ms)', of(floods, 'cpuMs'), 2),
    row('attempt at 50/s, reply included, p50 (ms)', of(steadies, 'attempt'), 0),
    row('delivery → reply posted at 50/s, p50 (ms)', of(steadies, 'p50'), 1),
    row('delivery → reply posted at 50/s, p99 (ms)', of(steadies, 'p99'), 1),
  ],
);
console.log(table);
await writeSection('worker', table);
