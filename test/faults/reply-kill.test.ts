import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EventRecord } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { bundle } from '../support/bundle.ts';
import { sleep } from '../support/campaign.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { LEASE_MS, type Point, points, type StoreAt, type Target, vendors } from '../support/reply-kill/plan.ts';
import {
  acceptTargets,
  factsIn,
  killWorkers,
  settled,
  startWorkerOf,
  startWorld,
  until,
  type World,
} from '../support/reply-kill/world.ts';
import { seeds } from '../support/seeds.ts';

/** For everything to get to its point, and for everything to be over after that (Graph is asked again after 30 s), in ms. */
const REACHED_MS = 60_000;
const SETTLED_MS = 150_000;

let program: string;
let folder: string;
let world: World;

beforeAll(async () => {
  program = await bundle('test/support/reply-kill/reply-kill-child.ts');
  folder = await mkdtemp(join(tmpdir(), 'sallyport-reply-kill-'));
  world = await startWorld();
});
afterAll(async () => {
  killWorkers();
  await Promise.all(opened.map((store) => store.close()));
  await world.stop();
  await rm(folder, { recursive: true, force: true });
});

const limits = { ...defaultLimits, leaseMs: LEASE_MS, rewakeMs: 2 * LEASE_MS };
const common = { limits, idCheck: 'check', logger: silentLogger };
const opened: Store[] = [];

async function openStore(at: StoreAt): Promise<Store> {
  const store =
    'path' in at
      ? await openEmbeddedStore({ ...common, ...at })
      : await openRedisStore({ ...common, ...at, shards: 1, minReplicas: 0, allowUnsafe: false });
  opened.push(store);
  return store;
}

interface Killed {
  readonly at: StoreAt;
  readonly store: Store;
  readonly targets: readonly Target[];
  readonly history: string;
}

/** Lets a worker bring every run to its point, and kills it there. */
async function killAtEveryPoint(seed: number, at: StoreAt): Promise<Killed> {
  const store = await openStore(at);
  const targets = await acceptTargets(seed, world, store);
  const history = join(folder, `${'path' in at ? 'embedded' : 'redis'}-${seed}`);
  const worker = startWorkerOf(program, { ...world.plan, stores: [at], targets, seed, history });
  const missing = (what: string, isMeant: (target: Target) => boolean): string[] => {
    const noted = new Set(
      factsIn(history)
        .filter((fact) => fact.what === what)
        .map(({ name }) => name),
    );
    return targets.filter((target) => isMeant(target) && !noted.has(target.name)).map(({ name }) => name);
  };
  const isShutdown = ({ point }: Target): boolean => point === 'during_shutdown';
  await until(() => [...missing('at', (one) => !isShutdown(one)), ...missing('hangs', isShutdown)], REACHED_MS);
  worker.terminate();
  await until(() => missing('at', isShutdown), REACHED_MS);
  expect(await worker.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  return { at, store, targets, history };
}

/** Points after which only the vendor can say whether it has the reply. */
const asksVendor: ReadonlySet<Point> = new Set<Point>([
  'after_intent',
  'during_call',
  'after_response',
  'lost_response',
]);

/** Points before the agent's words were recorded: the next attempt asks it again. */
const asksAgain: ReadonlySet<Point> = new Set<Point>(['after_model', 'during_shutdown']);

/** What is wrong with what became of a run, in words. */
function violations(
  { name, point, vendor }: Target,
  record: EventRecord | undefined,
  posted: readonly string[],
  asked: number,
): string[] {
  const mine = posted.filter((text) => text.includes(`re ${name} `));
  const isUnknowable = vendor === 'teams' && asksVendor.has(point);
  const expected = isUnknowable && point === 'after_intent' ? 0 : 1;
  const paragraphs = mine.join('\n\n').split(/(?:\r?\n)+/);
  const outcome = `${record?.state} ${record?.failure?.code ?? ''}`.trim();
  const told = record?.runs.findLast(({ reply }) => reply?.state === 'delivered')?.reply?.text;
  const found: string[] = [];
  if (outcome !== (isUnknowable ? 'parked ERR_AMBIGUOUS_EFFECT' : 'done')) found.push(outcome);
  if (point === 'during_parts') {
    const wanted = told?.split('\n\n').map((paragraph) => paragraph.trim()) ?? ['nothing delivered'];
    if (JSON.stringify(paragraphs.map((text) => text.trim())) !== JSON.stringify(wanted))
      found.push('not the whole reply once');
    if (mine.length !== (vendor === 'slack' || vendor === 'teams' ? 3 : 1)) found.push(`${mine.length} messages`);
  } else {
    if (mine.length !== expected) found.push(`${mine.length} replies`);
    if (!isUnknowable && mine[0]?.trim() !== told) found.push('the record says otherwise');
  }
  if (asked !== (asksAgain.has(point) ? 2 : 1)) found.push(`the agent was asked ${asked} times`);
  return found.map((what) => `${name}: ${what}`);
}

/** Kills a worker a seed, and has others finish what it left. */
async function campaign(stores: readonly { readonly seed: number; readonly at: StoreAt }[]): Promise<void> {
  const found: string[] = [];
  const finishing: Promise<void>[] = [];
  const finish = async ({ at, store, targets, history }: Killed, seed: number): Promise<void> => {
    const worker = startWorkerOf(program, { ...world.plan, stores: [at], targets: [], seed, history });
    const records = await settled(store, targets, SETTLED_MS);
    // Whatever would be posted a second time gets the time to be.
    await sleep(1_000);
    await worker.kill();
    const facts = factsIn(history);
    const posted = world.posted();
    const count = (what: string, name: string): number =>
      facts.filter((fact) => fact.what === what && fact.name === name).length;
    for (const target of targets) {
      const record = records.find(({ event }) => event.id === target.eventId);
      found.push(...violations(target, record, posted, count('asked', target.name)));
      if (count('at', target.name) !== 1) found.push(`${target.name}: the point was not met once`);
    }
    expect(targets).toHaveLength(points.length * vendors.length);
  };
  for (const { seed, at } of stores) {
    const killed = await killAtEveryPoint(seed, at);
    finishing.push(finish(killed, seed));
  }
  await Promise.all(finishing);
  expect(found).toEqual([]);
}

describeRedis('kill -9 of a worker at each point of a run, on Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await redis.stop();
  });

  test('everybody gets exactly one reply, or nobody can know and it is parked', async () => {
    await campaign(seeds().map((seed) => ({ seed, at: { url: redis.url, prefix: `kill-${seed}` } })));
  }, 600_000);
});

describe('kill -9 of a worker at each point of a run, on the embedded store', () => {
  test('everybody gets exactly one reply, or nobody can know and it is parked', async () => {
    const few = seeds().filter((seed) => seed <= 3);
    await campaign(few.map((seed) => ({ seed: 100 + seed, at: { path: join(folder, `${seed}.db`) } })));
  }, 600_000);
});
