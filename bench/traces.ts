import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { signSlackRequest, slackJson, slackMessage } from '../src/testing/slack/signer.ts';
import { startCollector } from '../test/support/collector.ts';
import { freePort } from '../test/support/free-port.ts';
import { startRedis } from '../test/support/redis.ts';
import { type RoleProcess, startRole } from '../test/support/role.ts';
import { echoSettings, startPosts } from './echo-gate.ts';
import { load } from './load.ts';
import { median } from './median.ts';
import { cpuSeconds } from './process.ts';
import { markdown } from './report.ts';

// What tracing costs in processor time: ingress events and echo runs of processes that trace 1 % (or another share) and of such
// that trace nothing. Both are alive and do the same at the same time, in windows of a second or two, so that whatever else the
// machine does hits both alike; a ratio is taken within a window. `npx tsx bench/traces.ts [windows] [share]`
const windows = Number(process.argv[2] ?? 12);
const share = process.argv[3] ?? '0.01';
const SECRET = randomBytes(16).toString('hex');
/** Events of one turn. */
const EVENTS = 8_000;
/** Echo runs of one turn. */
const RUNS = 400;

interface Gate {
  readonly ingress: RoleProcess;
  readonly worker: RoleProcess;
  readonly posts: () => number;
  stop(): Promise<void>;
}

const redis = await startRedis();
const collector = await startCollector();

/** An ingress without a worker for events, and beside it a pair of both for runs, each with a prefix of its own. */
async function startGate(
  name: string,
  tracing: Readonly<Record<string, string>>,
): Promise<Gate & { flooded: RoleProcess }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-traces-'));
  let posts = 0;
  const slack = await startPosts(() => {
    posts += 1;
  });
  const environment = {
    NODE_ENV: 'production',
    ...echoSettings(redis.url, slack.url, SECRET),
    SALLYPORT_QUEUE_CAP: '10000000',
    SALLYPORT_CHANNEL_RATE: '100000000/1m',
    ...tracing,
  };
  const start = async (role: string, prefix: string) =>
    startRole({
      role,
      environment: { ...environment, SALLYPORT_REDIS_PREFIX: prefix },
      folder,
      port: await freePort(),
    });
  const flooded = await start('ingress', `${name}f`);
  const ingress = await start('ingress', `${name}r`);
  const worker = await start('worker', `${name}r`);
  return {
    ...{ flooded, ingress, worker, posts: () => posts },
    async stop() {
      await Promise.all([flooded, ingress, worker].map((role) => role.kill()));
      slack.stop();
    },
  };
}

let sent = 0;

/** A message of one of 500 conversations. */
async function send({ ingress }: Gate): Promise<void> {
  const [at, index] = [Date.now(), sent];
  sent += 1;
  const channel = `D${String(index % 500).padStart(8, '0')}`;
  const ts = `${Math.floor(at / 1000)}.${String(index % 1_000_000).padStart(6, '0')}`;
  const message = slackMessage({ text: `run ${index}`, at, channel, ts });
  const signed = signSlackRequest(slackJson(message), { signingSecret: SECRET, at });
  const answer = await fetch(`${ingress.url}/hooks/slack/default`, { ...signed, body: new Uint8Array(signed.body) });
  if (answer.headers.get('x-sallyport-outcome') !== 'accepted') throw new Error(`answered ${answer.status}`);
}

const pidOf = ({ child }: RoleProcess): number => child.pid ?? 0;

/** Microseconds of processor time an event. */
async function events({ flooded }: { readonly flooded: RoleProcess }): Promise<number> {
  const options = { path: '/hooks/slack/default', secret: SECRET, connections: 25, requests: EVENTS };
  const before = cpuSeconds(pidOf(flooded));
  const result = await load({ ...options, port: flooded.port, warmupMs: 0, measureMs: 20_000 });
  if (result.failed > 0) console.log(`${result.failed} deliveries were refused`);
  return ((cpuSeconds(pidOf(flooded)) - before) / result.total) * 1e6;
}

/** Microseconds of processor time of the worker a run. */
async function runs(gate: Gate): Promise<number> {
  const [before, posted] = [cpuSeconds(pidOf(gate.worker)), gate.posts()];
  for (let n = 0; n < RUNS; n += 50) await Promise.all(Array.from({ length: 50 }, () => send(gate)));
  for (let tries = 0; gate.posts() - posted < RUNS; tries += 1) {
    if (tries > 2_400) throw new Error(`only ${gate.posts() - posted} of ${RUNS} replies came`);
    await delay(50);
  }
  // What is done after the reply belongs to the run.
  await delay(300);
  return ((cpuSeconds(pidOf(gate.worker)) - before) / RUNS) * 1e6;
}

const plain = await startGate('a', {});
const traced = await startGate('b', {
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: share,
});
const measured = {
  events: { plain: [] as number[], traced: [] as number[] },
  runs: { plain: [] as number[], traced: [] as number[] },
};
// The first windows warm the code up and are left out.
for (let n = -3; n < windows; n += 1) {
  const order = n % 2 === 0 ? [plain, traced] : [traced, plain];
  for (const [what, measure] of [
    ['events', events],
    ['runs', runs],
  ] as const) {
    const both = await Promise.all(order.map(measure));
    const [without = 0, within = 0] = n % 2 === 0 ? both : both.reverse();
    if (n < 0) continue;
    measured[what].plain.push(without);
    measured[what].traced.push(within);
    console.log(
      `window ${n + 1}: ${what} ${without.toFixed(0)} and ${within.toFixed(0)} us, ${(within / without).toFixed(3)}`,
    );
  }
}
console.log(`${collector.spans.length} spans`);
await Promise.all([plain.stop(), traced.stop()]);
await redis.stop();
await collector.stop();

const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
const rows = (['events', 'runs'] as const).map((what) => {
  const all = measured[what];
  const ratios = all.traced.map((one, at) => one / (all.plain[at] ?? Number.NaN)).sort((a, b) => a - b);
  const middle = (values: readonly number[]) => median(values).toFixed(0);
  const quarter = (part: number) => ratios[Math.floor((ratios.length - 1) * part)]?.toFixed(2);
  return [
    what === 'events' ? 'ingress, an event' : 'worker, an echo run',
    middle(all.plain),
    middle(all.traced),
    median(ratios).toFixed(3),
    (sum(all.traced) / sum(all.plain)).toFixed(3),
    `${quarter(0.25)}–${quarter(0.75)}`,
    `${ratios[0]?.toFixed(2)}–${ratios.at(-1)?.toFixed(2)}`,
  ];
});
const head = [
  'CPU µs',
  'no tracing',
  `${Number(share) * 100} % traced`,
  'ratio, median of windows',
  'ratio of all together',
  'middle half',
  'min–max',
];
const table = markdown(head, rows);
console.log(table);
