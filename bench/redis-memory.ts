import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startSlackServer } from '../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../src/testing/slack/signer.ts';
import { type RedisServer, startRedis } from '../test/support/redis.ts';
import { type RoleProcess, startRole } from '../test/support/role.ts';
import { until } from '../test/support/until.ts';
import { echoSettings } from './echo-gate.ts';
import { cpuSeconds } from './process.ts';
import { markdown, writeSection } from './report.ts';

// What an event takes of Redis while it waits and once it has ended, from the memory that a real Redis has in use before
// and after. `npx tsx bench/redis-memory.ts [events]`
const EVENTS = Number(process.argv[2] ?? 4_000);
const CONVERSATIONS = 500;
const SECRET = randomBytes(16).toString('hex');

interface Figures {
  /** Bytes of the deliveries' bodies. */
  readonly body: number;
  readonly waiting: number;
  readonly ended: number;
  /** Bytes of the append-only file. */
  readonly file: number;
  /** Processor time of Redis (µs), to accept an event and to run it. */
  readonly acceptCpu: number;
  readonly runCpu: number;
  /** Connections of an ingress, and of a worker. */
  readonly ingressConnections: number;
  readonly workerConnections: number;
  /** Bytes of all keys of a kind, by `MEMORY USAGE`, once all events have ended. */
  readonly kinds: ReadonlyMap<string, number>;
}

async function measure(textLength: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-memory-'));
  const [redis, slack] = await Promise.all([startRedis(), startSlackServer()]);
  const environment = { ...echoSettings(redis.url, slack.url, SECRET), LOG_LEVEL: 'warn' };
  const client = new Redis(redis.port);
  const roles: RoleProcess[] = [];
  try {
    const ingress = await startRole({ role: 'ingress', environment, folder });
    roles.push(ingress);
    const pid = redis.process.pid ?? 0;
    const alone = await connections(client);
    const worker = await startRole({ role: 'worker', environment, folder });
    roles.push(worker);
    // What a first run makes once for all, such as scripts and the executor's own keys, is no event's.
    await send(ingress, 'x'.repeat(textLength), 0);
    await until('the first reply is posted', () => slack.posts.length === 1);
    const both = await connections(client);
    await worker.stop();
    const before = await usedMemory(client);
    const cpuBefore = cpuSeconds(pid);
    let body = 0;
    for (let n = 1; n <= EVENTS; n += 50) {
      const sent = Array.from({ length: 50 }, (_, i) => send(ingress, 'x'.repeat(textLength), n + i));
      body += (await Promise.all(sent)).reduce((sum, bytes) => sum + bytes, 0);
    }
    const waiting = (await usedMemory(client)) - before;
    const file = await fileBytes(redis);
    const cpuAccepted = cpuSeconds(pid);
    await worker.restart();
    await until('every reply is posted', () => slack.posts.length === EVENTS + 1, { withinMs: 120_000 });
    await worker.stop();
    const cpuRun = cpuSeconds(pid);
    const ended = (await usedMemory(client)) - before;
    const of = (bytes: number): number => Math.round(bytes / EVENTS);
    const kinds = await bytesByKind(client);
    return {
      ...{ body: of(body), waiting: of(waiting), ended: of(ended), file: of(file), kinds },
      acceptCpu: of((cpuAccepted - cpuBefore) * 1e6),
      runCpu: of((cpuRun - cpuAccepted) * 1e6),
      // One is this program's own.
      ingressConnections: alone - 1,
      workerConnections: both - alone,
    };
  } finally {
    client.disconnect();
    await Promise.all(roles.map((role) => role.kill()));
    await Promise.all([redis.stop(), slack.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Resolves with the bytes of the body. */
async function send(ingress: RoleProcess, text: string, index: number): Promise<number> {
  const at = Date.now();
  const channel = `D${String(index % CONVERSATIONS).padStart(8, '0')}`;
  const ts = `${Math.floor(at / 1000)}.${String(index).padStart(6, '0')}`;
  const signed = signSlackRequest(slackJson(slackMessage({ text, at, channel, ts })), { signingSecret: SECRET, at });
  const request = { ...signed, body: new Uint8Array(signed.body) };
  const answer = await fetch(`${ingress.url}/hooks/slack/default`, request);
  await answer.arrayBuffer();
  if (answer.headers.get('x-sallyport-outcome') !== 'accepted') throw new Error(`answered ${answer.status}`);
  return signed.body.length;
}

async function usedMemory(client: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
}

async function connections(client: Redis): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await client.info('clients'))?.[1]);
}

async function fileBytes({ folder }: RedisServer): Promise<number> {
  const files = join(folder, 'appendonlydir');
  const sizes = (await readdir(files)).map(async (name) => (await stat(join(files, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function bytesByKind(client: Redis): Promise<Map<string, number>> {
  const kinds = new Map<string, number>();
  for await (const keys of client.scanStream({ count: 500 }) as AsyncIterable<string[]>) {
    for (const key of keys) {
      const kind = /^\{[^}]+\}:([a-z-]+)/.exec(key)?.[1] ?? key;
      // All elements of an index: an estimate from five would be wrong by half.
      const bytes = Number(await client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'));
      kinds.set(kind, (kinds.get(kind) ?? 0) + bytes);
    }
  }
  return kinds;
}

const short = await measure(64);
const long = await measure(4_000);
const row = (name: string, of: keyof Omit<Figures, 'kinds'>): string[] => [name, String(short[of]), String(long[of])];
const kindRows = [...short.kinds]
  .map(([kind, bytes]) => [kind, bytes / EVENTS, (long.kinds.get(kind) ?? 0) / EVENTS] as const)
  .filter(([, bytes]) => bytes >= 1)
  .sort(([, a], [, b]) => b - a)
  .map(([kind, ...bytes]) => [`of it, keys \`${kind}\``, ...bytes.map((each) => each.toFixed(0))]);
const table = markdown(
  ['an event', 'text of 64 characters', 'text of 4,000 characters'],
  [
    row('body of the delivery (bytes)', 'body'),
    row('memory while it waits (bytes)', 'waiting'),
    row('append-only file of the acceptance, before it is rewritten (bytes)', 'file'),
    row('memory once it has ended (bytes)', 'ended'),
    ...kindRows,
    row('processor time of Redis to accept it (µs)', 'acceptCpu'),
    row('processor time of Redis to run it (µs)', 'runCpu'),
    row('connections of an ingress', 'ingressConnections'),
    row('connections of a worker', 'workerConnections'),
  ],
);
console.log(table);
await writeSection('redis-memory', table);
