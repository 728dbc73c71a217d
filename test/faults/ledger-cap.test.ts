import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AccountLimit } from '../../src/queue/ledger.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { openAt } from '../support/embedded-process.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';
import { buildSpender, readHistory, type SpenderPlan, startSpender } from '../support/spenders.ts';
import { judge, runsInFlight } from '../support/spending-history.ts';

const WORKERS = 4;
const RUNS = 500;
const CAP = 1_000_000;
/** Short, so that the test sees the reservations of the dead end. */
const CALL_MS = 1_000;
const cap: AccountLimit = { scope: 'global', account: 'all', resource: 'usdMicros', window: 'day', max: CAP };

let program: string;
let folder: string;
beforeAll(async () => {
  program = await buildSpender();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-cap-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(program);
});

interface Campaign {
  readonly seed: number;
  readonly store: SpenderPlan['store'];
  /** The same store, as this process sees it. */
  readonly watching: Store;
}

/** Runs that spend without end over four processes, some of which are killed while calls are in flight. */
async function spendAll({ seed, store, watching }: Campaign) {
  const history = join(folder, randomUUID());
  const ids = Array.from({ length: RUNS }, (_, n) => `ev_${n}`);
  const planOf = (worker: number, life: number): SpenderPlan => ({
    ...{ store, capMicros: CAP, callMs: CALL_MS, history },
    seed: seed * 100 + worker * 10 + life,
    runs: ids.filter((_, n) => n % WORKERS === worker),
  });
  const workers = Array.from({ length: WORKERS }, (_, worker) => startSpender(program, planOf(worker, 0)));
  /** Between the vendor's bill and the worker's word of it: where a death costs most. */
  const isInFlight = (worker: number): boolean => {
    const own = new Set(planOf(worker, 0).runs.map((id) => `acme/${id}:1`));
    return [...runsInFlight(readHistory(history))].some((run) => own.has(run));
  };

  let mostSeen = 0;
  let isOver = false;
  let codes: (number | null)[] = [];
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const [use] = await watching.ledger.usage([cap]);
      mostSeen = Math.max(mostSeen, (use?.spent ?? 0) + (use?.reserved ?? 0));
      await delay(10);
    }
  };
  const watched = watch();
  try {
    for (const victim of [0, 1]) {
      await expect.poll(() => isInFlight(victim), { timeout: 60_000, interval: 1 }).toBe(true);
      await workers[victim]?.kill();
    }
    // The runs of one begin again in another process, as those of a dead worker do.
    workers.push(startSpender(program, planOf(0, 1)));
    codes = await Promise.all(workers.map(({ ended }) => ended));
  } finally {
    isOver = true;
    await Promise.all([watched, ...workers.map((worker) => worker.kill())]);
  }
  return { verdict: judge(readHistory(history), CAP), mostSeen, codes };
}

async function check(campaign: Campaign): Promise<void> {
  const { verdict, mostSeen, codes } = await spendAll(campaign);
  expect(verdict.violations).toEqual([]);
  expect(mostSeen).toBeLessThanOrEqual(CAP);
  expect(codes.filter((code) => code === null)).toHaveLength(2);
  expect(codes.filter((code) => code === 0)).toHaveLength(WORKERS - 1);
  expect(verdict.unsettled).toBeGreaterThan(0);

  // Every reservation has an end, also one whose worker has none.
  const use = async () => (await campaign.watching.ledger.usage([cap]))[0];
  await expect.poll(async () => (await use())?.reserved, { timeout: PATIENCE_MS }).toBe(0);
  const spent = (await use())?.spent ?? Number.NaN;
  expect(spent).toBeLessThanOrEqual(CAP);
  expect(spent).toBeGreaterThanOrEqual(verdict.spent.least);
  expect(spent).toBeLessThanOrEqual(verdict.spent.most);
  expect(spent).toBeGreaterThanOrEqual(verdict.billed);
  // The cap was what ended it.
  expect(spent).toBeGreaterThan(0.9 * CAP);
}

describe('500 runs in four processes under a cap of one dollar, workers killed', () => {
  test.each(seeds())(
    'embedded, seed %i: never over the cap, nothing reserved for ever',
    async (seed) => {
      // Its own file each time it is tried: a spent budget cannot be spent again.
      const path = join(folder, `${randomUUID()}.db`);
      const watching = await openAt(path);
      try {
        await check({ seed, store: { path }, watching });
      } finally {
        await watching.close();
      }
    },
    CAMPAIGN_MS,
  );

  describeRedis('Redis', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server.stop());

    test.each(seeds())(
      'Redis, seed %i: never over the cap, nothing reserved for ever',
      async (seed) => {
        const stores = createTestStores();
        try {
          const { url } = server;
          await check({ seed, store: { url, prefix: stores.prefix }, watching: await stores.open(url) });
        } finally {
          await stores.close();
        }
      },
      CAMPAIGN_MS,
    );
  });
});
