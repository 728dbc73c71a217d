import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGraphServer } from '../src/testing/graph-server.ts';
import { graphDelivery, graphItem } from '../src/testing/graph-signer.ts';
import { startRedis } from '../test/support/redis.ts';
import { type Contestant, measure } from './ingress.ts';
import { type LoadResult, load } from './load.ts';
import { cpuSeconds, freePort, type Server, start } from './process.ts';
import { markdown, median } from './report.ts';

// Notifications of Graph, a hundred a delivery, against the bounds of Slack's bench; and how long Graph waits for its
// answers while everything behind the ingress is slow. `npx tsx bench/graph.ts [rounds]`
const rounds = Number(process.argv[2] ?? 3);
const timing = { warmupMs: 2_000, measureMs: 5_000 };
const ITEMS = 100;
const TENANT = '84bd8158-6d4d-4958-8b9f-9d6445542f95';
const STATE = randomBytes(24).toString('base64url');

let made = 0;

/** Every item another mail, as an Outlook subscription tells of it. */
function request(items: number): Buffer {
  const value = Array.from({ length: items }, () => {
    made += 1;
    const id = `AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A${String(made).padStart(40, '0')}=`;
    const resource = `Users/ddfcd489-628b-40d7-b48b-57002df800e5/Messages/${id}`;
    return graphItem({ tenantId: TENANT, clientState: STATE, resource, expiresAt: Date.now() });
  });
  const { body } = graphDelivery(value);
  const head =
    'POST /hooks/graph/default HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json; charset=utf-8\r\n' +
    `content-length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

interface Setting {
  readonly role: 'ingress' | 'all';
  readonly items: number;
  readonly connections: number;
  readonly requests: number;
  readonly environment?: Readonly<Record<string, string>>;
}

interface Measured extends LoadResult {
  /** Microseconds of processor time per item. */
  readonly cpu: number;
}

async function measureGraph({ role, items, connections, requests, environment = {} }: Setting): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const redis = await startRedis();
  const key = () => randomBytes(32).toString('base64');
  const settings = {
    HOST: '127.0.0.1',
    SALLYPORT_REDIS_URL: redis.url,
    SALLYPORT_SEAL_KEY: key(),
    SALLYPORT_ID_KEY: key(),
    SALLYPORT_QUEUE_CAP: '10000000',
    GRAPH_TENANT_ID: TENANT,
    GRAPH_CLIENT_STATE: STATE,
    ...environment,
  };
  const port = await freePort();
  const server: Server = await start(['bin/sallyport.js', role], settings, port);
  try {
    const before = cpuSeconds(server.pid);
    const result = await load({
      ...timing,
      port,
      path: '',
      secret: '',
      connections,
      requests,
      prepare: () => request(items),
    });
    return { ...result, cpu: ((cpuSeconds(server.pid) - before) / (result.total * items)) * 1e6 };
  } finally {
    await server.stop();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const bounds: Record<Contestant, number[]> = { a: [], b: [], c: [], d: [] };
const batches: Measured[] = [];
for (let round = 0; round < rounds; round += 1) {
  const turns = [
    async () =>
      void batches.push(await measureGraph({ role: 'ingress', items: ITEMS, connections: 8, requests: 1_500 })),
    ...(['a', 'b', 'c'] as const).map(
      (who) => async () => void bounds[who].push((await measure(who, { ...timing, connections: 50 })).perSecond),
    ),
  ];
  for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
  const { perSecond = 0, p99 = 0, failed = 0 } = batches.at(-1) ?? {};
  console.log(
    `round ${round + 1}: ${Math.round(perSecond * ITEMS)} items/s, p99 ${p99.toFixed(1)} ms, failed ${failed}`,
  );
}

const ratio = (who: Contestant): string =>
  median(batches.map(({ perSecond }, round) => (perSecond * ITEMS) / (bounds[who][round] ?? Number.NaN))).toFixed(2);
const of = (field: keyof Measured, scale = 1): string => (median(batches.map((one) => one[field])) * scale).toFixed(1);
console.log(
  markdown(
    ['', 'items/s', '÷ (a)', '÷ (b)', '÷ (c)', 'p50 ms', 'p99 ms', 'CPU µs/item', 'failed'],
    [
      [
        `batches of ${ITEMS}`,
        of('perSecond', ITEMS),
        ratio('a'),
        ratio('b'),
        ratio('c'),
        of('p50'),
        of('p99'),
        of('cpu'),
        String(batches.reduce((sum, one) => sum + one.failed, 0)),
      ],
    ],
  ),
);

// Ingress and worker in one process, and a Graph that takes two seconds for everything.
const slow = await startGraphServer({ tenantId: TENANT, fault: () => ({ kind: 'delay', ms: 2_000 }) });
const waiting = await measureGraph({
  role: 'all',
  items: 1,
  connections: 20,
  requests: 60_000,
  environment: {
    GRAPH_BASE_URL: slow.url,
    GRAPH_AUTHORITY_URL: slow.url,
    GRAPH_CLIENT_ID: slow.clientId,
    GRAPH_CLIENT_SECRET: slow.clientSecret,
  },
});
await slow.stop();
console.log(
  `with a slow Graph, in one process with the worker: ${Math.round(waiting.perSecond)}/s, ` +
    `p99 ${waiting.p99.toFixed(1)} ms, p99.9 ${waiting.p999.toFixed(1)} ms, failed ${waiting.failed}`,
);
