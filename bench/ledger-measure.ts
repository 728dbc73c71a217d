import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { silentLogger } from '../src/core/logger.ts';
import { openEmbeddedStore } from '../src/queue/embedded/open.ts';
import type { AccountLimit, Ledger, Reservation } from '../src/queue/ledger.ts';
import { openRedisStore } from '../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../src/queue/store.ts';
import { watchKills } from '../src/workers/budget/run-budget.ts';
import { startRedis } from '../test/support/redis.ts';

/** Milliseconds. */
export interface LedgerFigures {
  readonly reserveP50: number;
  readonly reserveP99: number;
  readonly settleP50: number;
  readonly settleP99: number;
  /** The smallest durable write of the same store at the same time: the disk's share. */
  readonly writeP50: number;
  /** Both, with 32 runs at it together. */
  readonly busyP50: number;
  readonly callsPerSecond: number;
  /** Round trips of one reservation and its settlement; absent where there is no server. */
  readonly trips?: number;
  /** Until a run notices the kill switch: median and the longest of 20. */
  readonly killP50: number;
  readonly killMax: number;
}

const CALLS = 2_000;
const AT_ONCE = 32;
const KILLS = 20;

/** Money, tokens and calls of every scope: three times what is standard. */
const limitsFor = (run: number): AccountLimit[] =>
  (['global', 'tenant', 'channel', 'user', 'conversation', 'run'] as const).flatMap((scope) =>
    (['usdMicros', 'tokens', 'modelCalls'] as const).map((resource) => ({
      ...{ scope, resource, max: 1e12 },
      account: scope === 'run' ? `run-${run}` : `one-${scope}`,
      window: scope === 'run' ? ('run' as const) : ('day' as const),
    })),
  );

const worst = { usdMicros: 5_000, tokens: 3_000, modelCalls: 1 };
const actual = { usdMicros: 1_000, tokens: 900, modelCalls: 1 };

async function reserve(ledger: Ledger, run: number): Promise<Reservation> {
  const request = { id: crypto.randomUUID(), tenant: 'one', amounts: worst, limits: limitsFor(run), ttlMs: 60_000 };
  const answer = await ledger.reserve(request);
  if (answer.kind !== 'reserved') throw new Error(`expected a reservation, got ${answer.kind}`);
  return answer.reservation;
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const value = await work();
  into.push(performance.now() - startedAt);
  return value;
}

function at(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;
}

async function measure({ ledger, records }: Store, trips: (() => Promise<number>) | null): Promise<LedgerFigures> {
  for (let n = 0; n < 300; n += 1) await ledger.settle(await reserve(ledger, n), actual);
  const [reserves, settles, both, writes]: [number[], number[], number[], number[]] = [[], [], [], []];
  const before = await trips?.();
  for (let n = 0; n < CALLS; n += 1) {
    const held = await timed(reserves, () => reserve(ledger, n));
    await timed(settles, () => ledger.settle(held, actual));
  }
  const after = await trips?.();
  for (let n = 0; n < CALLS; n += 1) {
    await timed(writes, () => records.compareAndSet('one', 'bench', `${n}`, 0, n));
  }
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, run) => {
      for (let n = 0; n < CALLS / 10; n += 1) {
        await timed(both, async () => ledger.settle(await reserve(ledger, run), actual));
      }
    }),
  );
  const perSecond = both.length / ((performance.now() - startedAt) / 1000);
  const kills = await killTimes(ledger);
  return {
    ...{ reserveP50: at(reserves, 0.5), reserveP99: at(reserves, 0.99) },
    ...{ settleP50: at(settles, 0.5), settleP99: at(settles, 0.99) },
    writeP50: at(writes, 0.5),
    ...{ busyP50: at(both, 0.5), callsPerSecond: perSecond },
    ...{ killP50: at(kills, 0.5), killMax: Math.max(...kills) },
    ...(before === undefined || after === undefined ? {} : { trips: (after - before) / CALLS }),
  };
}

async function killTimes(ledger: Ledger): Promise<number[]> {
  const watch = watchKills(ledger, silentLogger);
  // The watch keeps no process alive.
  const alive = setInterval(() => {}, 1_000);
  const times: number[] = [];
  for (let n = 0; n < KILLS; n += 1) {
    await delay(97 * (n % 5));
    await timed(times, async () => {
      const stopped = new Promise<void>((resolve) => watch.onKill('one', resolve));
      await ledger.kill('one', true);
      await stopped;
    });
    await ledger.kill('one', false);
    await delay(300);
  }
  watch.close();
  clearInterval(alive);
  return times;
}

const common = { limits: defaultLimits, idCheck: 'bench', logger: silentLogger };

export async function measureRedis(): Promise<LedgerFigures> {
  const server = await startRedis();
  const store = await openRedisStore({ ...common, url: server.url, shards: 1, minReplicas: 0, allowUnsafe: false });
  const observer = new Redis(server.port);
  /** Times the server read from a client: one a round trip, as long as calls follow one another. */
  const reads = async (): Promise<number> =>
    Number(/total_reads_processed:(\d+)/.exec(await observer.info('stats'))?.[1]);
  try {
    return await measure(store, reads);
  } finally {
    observer.disconnect();
    await store.close();
    await server.stop();
  }
}

export async function measureEmbedded(): Promise<LedgerFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-ledger-'));
  const store = await openEmbeddedStore({ ...common, path: join(folder, 'store.db') });
  try {
    return await measure(store, null);
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}
