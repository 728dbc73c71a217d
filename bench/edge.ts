import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { edgeBundle } from '../scripts/bundle.js';
import { nodeCrypto } from '../src/core/crypto/crypto.node.ts';
import { createRelayKeys, type RelayBatch, relayHeader, signRelayAnswer } from '../src/core/relay.ts';
import { resultsFor } from '../test/support/edge-origin.ts';
import { startEdgeProcess } from '../test/support/edge-process.ts';
import { load } from './load.ts';
import { median } from './median.ts';
import { cpuSeconds, freePort, rssMiB, start } from './process.ts';
import { markdown, writeSection } from './report.ts';

// Processor time of the edge on workerd: of an accepted Slack event, beside Node's ingress on the embedded store, and of its
// start; and what its bundle holds. Contestants take turns, in reversed order every second round.
// `npx tsx bench/edge.ts [rounds]`
const ROUNDS = Number(process.argv[2] ?? 5);
/** Of each contestant in a round, after half as many that warm it up. */
const EVENTS = 2_000;
const HOOK = '/hooks/slack/default';

const secret = randomBytes(16).toString('hex');
const token = randomBytes(24).toString('hex');
const key = randomBytes(32);
const keys = createRelayKeys([key], nodeCrypto);
const shared = {
  SLACK_SIGNING_SECRET: secret,
  SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_METRICS_TOKEN: token,
  LOG_LEVEL: 'warn',
};

/** A Worker without anything in it. */
const EMPTY = `import { DurableObject } from 'cloudflare:workers';
  export class EdgeShard extends DurableObject {}
  export default { fetch: () => new Response() };`;

/** An origin that accepts everything and keeps nothing. */
const origin = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const batch = JSON.parse(Buffer.concat(chunks).toString('utf8')) as RelayBatch;
  const body = JSON.stringify({ v: 1, results: resultsFor(batch, () => 'accepted') });
  const nonce = String(request.headers[relayHeader.nonce]);
  const signature = signRelayAnswer({ nonce, status: 200, body }, keys, nodeCrypto);
  response.writeHead(200, { 'content-type': 'application/json', [relayHeader.signature]: signature }).end(body);
});
await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
const originPort = (origin.address() as AddressInfo).port;

interface Sample {
  /** Microseconds of processor time of an accepted event. */
  readonly event: number;
  /** Resident memory after the load, MiB. */
  readonly rss: number;
  /** Milliseconds of processor time, of workerd only. */
  readonly ready?: number;
  readonly first?: number;
  readonly second?: number;
}

/** Accepted deliveries, by the contestant's own count. */
async function acceptedOf(url: string): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  const counts = (await answer.text()).matchAll(
    /^sallyport_(?:edge_accepted|deliveries)_total\{.*outcome="accepted".*\} (\d+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function loaded(port: number, pid: number, settle: () => Promise<void>): Promise<Sample> {
  const url = `http://127.0.0.1:${port}`;
  const send = async (requests: number): Promise<number> => {
    const options = { port, path: HOOK, secret, connections: 16, warmupMs: 0, measureMs: 120_000, requests };
    const before = { cpu: cpuSeconds(pid), accepted: await acceptedOf(url) };
    await load(options);
    await settle();
    const accepted = (await acceptedOf(url)) - before.accepted;
    if (accepted !== requests) throw new Error(`${accepted} of ${requests} events were accepted`);
    return cpuSeconds(pid) - before.cpu;
  };
  await send(EVENTS / 2);
  return { event: ((await send(EVENTS)) / EVENTS) * 1e6, rss: rssMiB(pid) };
}

async function edge(relayPort: number): Promise<Sample> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const settings = {
    ...shared,
    SALLYPORT_RELAY_KEY: key.toString('base64'),
    SALLYPORT_RELAY_URL: `http://127.0.0.1:${relayPort}/relay`,
  };
  const { url, port, workerd, kill } = await startEdgeProcess({ settings, folder });
  try {
    const ready = cpuMs(workerd);
    const [first, second] = [await costOf(workerd, `${url}/health`), await costOf(workerd, `${url}/health`)];
    const isForwarded = async (): Promise<boolean> => {
      const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      return (await answer.text()).includes('\nsallyport_outbox_events 0\n');
    };
    const settle = async (): Promise<void> => {
      while (relayPort === originPort && !(await isForwarded())) await new Promise((done) => setTimeout(done, 100));
    };
    return { ...(await loaded(port, workerd, settle)), ready, first, second };
  } finally {
    await kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Milliseconds of processor time of all threads that run, which is finer than `cpuSeconds` (field 1 of schedstat, in ns). */
const cpuMs = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    0,
  );

async function costOf(pid: number, url: string): Promise<number> {
  const before = cpuMs(pid);
  await (await fetch(url)).text();
  return cpuMs(pid) - before;
}

async function node(): Promise<Sample> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const environment = {
    ...shared,
    HOST: '127.0.0.1',
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_QUEUE_CAP: '10000000',
    SALLYPORT_CHANNEL_RATE: '100000000/1m',
  };
  const server = await start(['bin/sallyport.js', 'ingress'], environment, await freePort());
  try {
    return await loaded(server.port, server.pid, async () => {});
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Milliseconds of processor time until workerd is ready with an empty Worker. */
async function empty(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const { workerd, kill } = await startEdgeProcess({ settings: {}, folder, around: EMPTY });
  const ready = cpuMs(workerd);
  await kill();
  await rm(folder, { recursive: true, force: true });
  return ready;
}

const samples = { away: [] as Sample[], forwarded: [] as Sample[], node: [] as Sample[], empty: [] as number[] };
const turns: (() => Promise<void>)[] = [
  async () => void samples.empty.push(await empty()),
  async () => void samples.away.push(await edge(9)),
  async () => void samples.forwarded.push(await edge(originPort)),
  async () => void samples.node.push(await node()),
];
for (let round = 0; round < ROUNDS; round += 1) {
  for (const turn of round % 2 === 0 ? turns : [...turns].reverse()) await turn();
  const last = [samples.node.at(-1), samples.away.at(-1), samples.forwarded.at(-1), samples.empty.at(-1)];
  console.log(`round ${round + 1}: ${JSON.stringify(last)}`);
}
origin.close();

const of = (values: readonly number[], digits = 0): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
const ratio = (all: readonly Sample[]): string =>
  median(all.map(({ event }, round) => event / (samples.node[round]?.event ?? Number.NaN))).toFixed(2);
const rows = [
  ['Node, role `ingress` on the embedded store', samples.node],
  ['edge, origin away: accepted and stored', samples.away],
  ['edge, accepted, forwarded and removed', samples.forwarded],
] as const;
const events = markdown(
  ['contestant', 'CPU µs/event (min–max)', '÷ Node', 'RSS MiB'],
  rows.map(([name, all]) => [name, of(all.map(({ event }) => event)), ratio(all), of(all.map(({ rss }) => rss))]),
);
const starts = [...samples.away, ...samples.forwarded];
const base = median(samples.empty);
const startTable = markdown(
  ['start, CPU of workerd', 'ms (min–max)'],
  [
    [
      'until it is ready, beyond an empty Worker: import of the bundle',
      of(starts.map(({ ready = 0 }) => ready - base)),
    ],
    [
      'first request: configuration, patterns of the scrubber',
      of(
        starts.map(({ first = 0 }) => first),
        1,
      ),
    ],
    [
      'second request',
      of(
        starts.map(({ second = 0 }) => second),
        1,
      ),
    ],
  ],
);

const { metafile, outputFiles } = await build({ ...edgeBundle, write: false, metafile: true });
const text = outputFiles?.[0]?.contents ?? new Uint8Array();
const parts = new Map<string, number>();
for (const { inputs } of Object.values(metafile?.outputs ?? {})) {
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const part = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? /src\/[^/]+/.exec(path)?.[0] ?? path;
    parts.set(part, (parts.get(part) ?? 0) + bytesInOutput);
  }
}
const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1);
const bundleTable = markdown(
  ['part of the bundle', 'minified kB'],
  [
    ...[...parts].sort(([, a], [, b]) => b - a).map(([part, bytes]) => [part, kilobytes(bytes)]),
    [`whole (gzip: ${kilobytes(gzipSync(text).length)} kB)`, kilobytes(text.length)],
  ],
);
const tables = `${events}\n\n${startTable}\n\n${bundleTable}`;
console.log(tables);
await writeSection('edge', tables);
