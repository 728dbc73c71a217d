import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Replier } from '../../src/channels/channel.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { SEAL_KEY, type Vendor, vendors } from '../support/reply-kill/plan.ts';
import { createRepliers, createWorkerDeps } from '../support/reply-kill/worker-deps.ts';
import { settled, startWorld, type World } from '../support/reply-kill/world.ts';
import { type Fate, type Front, startFront } from '../support/vendor-faults/front.ts';

/** The product's own times; nothing is scaled. */
const LEASE_MS = defaultLimits.leaseMs;
const REPLY_TIMEOUT_MS = 10_000;
/** Longer than the slowest channel takes to settle (Graph, 47 s) and to post again. */
const PATIENCE_MS = 150_000;

/** What happens to the first call that posts a reply. A vendor may act for 5 s after the call was given up. */
const fates = {
  'slow-12s': { effectAt: 12_000, answer: 'truth' },
  'slow-to-the-bound': { effectAt: 14_500, answer: 'truth' },
  'never-answers': { effectAt: null, answer: 'truth' },
  '500-after': { effectAt: 0, answer: { at: 200, as: { status: 500 } } },
  '502-after': { effectAt: 0, answer: { at: 200, as: { status: 502 } } },
  '503-after': { effectAt: 0, answer: { at: 200, as: { status: 503 } } },
  '503-before': { effectAt: null, answer: { at: 50, as: { status: 503 } } },
  'reset-after': { effectAt: 0, answer: { at: 200, as: 'reset' } },
  'reset-before': { effectAt: null, answer: { at: 50, as: 'reset' } },
  // The caller is gone at once, and lists show the message only later.
  'reset-shown-after-4s': { effectAt: 4_000, answer: { at: 50, as: 'reset' } },
  'reset-shown-after-9s': { effectAt: 9_000, answer: { at: 50, as: 'reset' } },
  '500-shown-after-17s': { effectAt: 17_000, answer: { at: 50, as: { status: 500 } } },
} satisfies Record<string, Fate>;

interface Message {
  readonly name: string;
  readonly vendor: Vendor;
  readonly eventId: string;
}

const isPost = (path: string): boolean => /chat\.postMessage$|\/activities(\/|$)|\/reply$|messages\/send/.test(path);

const scrub = createScrubber({ crypto: nodeCrypto, key: SEAL_KEY });
const opened: (() => Promise<unknown>)[] = [];
let world: World;
let fateOfNext: Map<string, Fate>;

beforeAll(async () => {
  fateOfNext = new Map();
  const fronts: Front[] = [];
  world = await startWorld(async (_, url) => {
    const front = await startFront(url, (path, body) => (isPost(path) ? fateIn(decoded(path, body)) : undefined));
    fronts.push(front);
    return front.url;
  });
  opened.push(() => Promise.all(fronts.map((front) => front.stop())), world.stop);
}, 60_000);

afterAll(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A mail is base64 in base64url in JSON; whatever is posted names its message somewhere. */
function decoded(path: string, body: string): string {
  const raw = /"raw":"([^"]+)"/.exec(body)?.[1];
  const mail = raw === undefined ? '' : Buffer.from(raw, 'base64url').toString();
  const inner = Buffer.from(mail.split('\r\n\r\n').at(-1) ?? '', 'base64').toString();
  return `${decodeURIComponent(path)} ${body} ${inner}`;
}

/** The fate of the first call for a message, and of no later one. */
function fateIn(text: string): Fate | undefined {
  const name = [...fateOfNext.keys()].find((one) => text.includes(one));
  const fate = name === undefined ? undefined : fateOfNext.get(name);
  if (name !== undefined) fateOfNext.delete(name);
  return fate;
}

/** One worker, whose wall clock may be ahead of the store's. */
function startWorker(store: Store, aheadMs: number, shutdown: AbortSignal) {
  const repliers: Readonly<Record<string, Replier>> = createRepliers(world.plan, scrub);
  const deps: RunDeps = {
    ...createWorkerDeps(store, scrub),
    agentFor: () => ({
      name: 'repeating',
      isFree: true,
      run: async ({ event }) => ({ kind: 'reply', text: `re ${event.text} end` }),
    }),
    replier: (_, channel) => repliers[channel] as Replier,
    lease: store.lease,
    journal: store.journal,
    clock: () => Date.now() + aheadMs,
    random: Math.random,
    leaseMs: LEASE_MS,
    maxAttempts: 5,
    replyTimeoutMs: REPLY_TIMEOUT_MS,
    shutdown,
    isStopping: () => shutdown.aborted,
  };
  return store.jobs.consume({ concurrency: 64, run: (conversation) => run(conversation, deps) });
}

/** What is wrong with what became of a message, in words. */
function violations(name: string, vendor: Vendor, record: EventRecord | undefined): string[] {
  const posted = world.posted().filter((text) => text.includes(`re ${name} end`)).length;
  const outcome = `${record?.state} ${record?.failure?.code ?? ''}`.trim();
  const isUnknowable = vendor === 'teams';
  const found: string[] = [];
  if (outcome !== (isUnknowable ? 'parked ERR_AMBIGUOUS_EFFECT' : 'done')) found.push(outcome);
  if (isUnknowable ? posted > 1 : posted !== 1) found.push(`${posted} replies`);
  return found.map((what) => `${name}: ${what}`);
}

/** Every fault on every channel, with two workers of which one's clock is 10 s ahead. */
async function campaign(label: string, store: Store): Promise<void> {
  const shutdown = new AbortController();
  const targets: Message[] = [];
  for (const vendor of vendors) {
    for (const [fault, fate] of Object.entries(fates)) {
      const name = `${label}-${vendor}-${fault}-x`;
      fateOfNext.set(name, fate);
      const event = world.event(vendor, name);
      targets.push({ eventId: event.id, vendor, name });
      await store.inbox.accept([event]);
    }
  }
  const workers = [startWorker(store, 0, shutdown.signal), startWorker(store, 10_000, shutdown.signal)];
  const records = await settled(store, targets, PATIENCE_MS);
  const recordOf = (id: string) => records.find(({ event }) => event.id === id);
  const found = targets.flatMap(({ name, vendor, eventId }) => violations(name, vendor, recordOf(eventId)));
  expect(found).toEqual([]);
  expect(fateOfNext.size).toBe(0);
  await settleByHand(store, targets);
  shutdown.abort();
  await Promise.all(workers.map((worker) => worker.close(1_000)));
}

/** What Teams cannot say an operator does: it was delivered, or it was not and is to be posted again. */
async function settleByHand(store: Store, targets: readonly Message[]) {
  const open = targets.filter(({ vendor }) => vendor === 'teams');
  const countOf = (name: string) => world.posted().filter((text) => text.includes(`re ${name} end`)).length;
  for (const { name, eventId } of open) {
    const outcome = countOf(name) === 1 ? 'delivered' : 'not_delivered';
    expect(await store.events.resolve('acme', eventId, 'reply', outcome)).toMatchObject({ kind: 'ok' });
    if (outcome === 'not_delivered') {
      expect(await store.events.redrive('acme', eventId)).toMatchObject({ kind: 'ok' });
    }
  }
  const records = await settled(store, open, PATIENCE_MS);
  expect(records.map(({ state }) => state)).toEqual(open.map(() => 'done'));
  expect(open.map(({ name }) => countOf(name))).toEqual(open.map(() => 1));
}

const options = { limits: defaultLimits, idCheck: 'check', logger: silentLogger };

describe('a vendor that is slow, fails after the effect, hangs up or shows a reply late, on the embedded store', () => {
  test('every message has one reply, or is parked and settled by an operator', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-vendor-faults-'));
    opened.push(() => rm(folder, { recursive: true, force: true }));
    const store = await openEmbeddedStore({ ...options, path: join(folder, 'store.db') });
    opened.push(() => store.close());
    await campaign('embedded', store);
  }, 300_000);
});

describeRedis('a vendor that is slow, fails after the effect, hangs up or shows a reply late, on Redis', () => {
  test('every message has one reply, or is parked and settled by an operator', async () => {
    const redis = await startRedis();
    opened.push(() => redis.stop());
    const where = { url: redis.url, prefix: 'sp', shards: 1, minReplicas: 0, allowUnsafe: false };
    const store = await openRedisStore({ ...options, ...where, relay: { claimMs: LEASE_MS / 2 } });
    opened.push(() => store.close());
    await campaign('redis', store);
  }, 300_000);
});
