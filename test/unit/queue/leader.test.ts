import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { startCheckpoints } from '../../../src/ops/checkpoints.ts';
import { type Leader, startLeader } from '../../../src/queue/leader.node.ts';
import type { Lease } from '../../../src/queue/lease.ts';
import type { Records } from '../../../src/queue/records.ts';
import { type Memory, startForgetting } from '../../../src/workers/agents/memory/memory.ts';
import { startKeeper } from '../../../src/workers/keeper/keeper.ts';

/** One process leads at a time, and stops at once when it does so no longer. */

const LEASE_MS = 30_000;

/** One named lease, which another process takes over when the test says so. */
function createLeaseWorld() {
  let isOurs = false;
  let isTaken = false;
  let isAway = false;
  const asked: string[] = [];
  const acquire: Lease['acquire'] = async (name) => {
    asked.push(name);
    if (isAway) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
    if (isOurs || isTaken) return null;
    isOurs = true;
    return {
      renew: async () => {
        if (isAway) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
        return isOurs;
      },
      release: async () => {
        isOurs = false;
      },
    };
  };
  const take = (): void => {
    isOurs = false;
    isTaken = true;
  };
  const giveBack = (): void => {
    isTaken = false;
  };
  const away = (now: boolean): void => {
    isAway = now;
  };
  return { acquire, asked, take, giveBack, away, isHeld: () => isOurs };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** Work that goes on until its signal aborts. */
const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

describe('a leader', () => {
  const start = (world: ReturnType<typeof createLeaseWorld>, overrides: Partial<Parameters<typeof startLeader>[0]>) =>
    startLeader({
      acquire: world.acquire,
      name: 'test',
      everyMs: 1_000,
      turn: async () => {},
      onError: () => {},
      ...overrides,
    });

  test('takes its turns, keeps its lease between them and gives it back when it is closed', async () => {
    const world = createLeaseWorld();
    const terms: boolean[] = [];
    const leader = start(world, { turn: async (_, isNew) => void terms.push(isNew) });
    await pass(LEASE_MS * 3);
    expect(terms.slice(0, 3)).toEqual([true, false, false]);
    expect(terms.filter(Boolean)).toHaveLength(1);
    expect(world.asked).toEqual(['test']);
    expect(world.isHeld()).toBe(true);
    const turns = terms.length;
    await leader.close();
    expect(world.isHeld()).toBe(false);
    await pass(LEASE_MS);
    expect(terms).toHaveLength(turns);
  });

  test('stops its turn at once when its lease is lost, and asks for it again later', async () => {
    const world = createLeaseWorld();
    const signals: AbortSignal[] = [];
    const errors: unknown[] = [];
    const leader = start(world, {
      turn: async (signal) => {
        signals.push(signal);
        await untilAborted(signal);
        throw new Error('what an abort makes fail is no failure');
      },
      onError: (error) => errors.push(error),
    });
    await pass(LEASE_MS * 4);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    world.take();
    await pass(LEASE_MS / 3);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await pass(LEASE_MS);
    expect(signals).toHaveLength(1);
    world.giveBack();
    await pass(1_000);
    expect(signals).toHaveLength(2);
    expect(errors).toEqual([]);
    await leader.close();
  });

  test('goes on while the store is away for a moment, and stops once nothing has renewed its lease for its whole life', async () => {
    const world = createLeaseWorld();
    const signals: AbortSignal[] = [];
    const leader = start(world, { turn: (signal) => untilAborted(signals[signals.push(signal) - 1] as AbortSignal) });
    await pass(0);
    world.away(true);
    await pass(LEASE_MS / 2);
    world.away(false);
    await pass(LEASE_MS);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    world.away(true);
    await pass(LEASE_MS);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await leader.close();
  });

  test('a renewal without an answer keeps nothing longer than the lease lives', async () => {
    const signals: AbortSignal[] = [];
    const leader = startLeader({
      acquire: async () => ({ renew: () => new Promise(() => {}), release: async () => {} }),
      name: 'test',
      everyMs: 1_000,
      turn: (signal) => untilAborted(signals[signals.push(signal) - 1] as AbortSignal),
      onError: () => {},
    });
    await pass(LEASE_MS - 1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await pass(1);
    expect(signals[0]?.aborted).toBe(true);
    await leader.close();
  });

  test('tells of a turn that failed and of a store that is away, and goes on', async () => {
    const world = createLeaseWorld();
    const errors: unknown[] = [];
    let turns = 0;
    world.away(true);
    const leader = start(world, {
      turn: async () => {
        turns += 1;
        throw new Error(`turn ${turns}`);
      },
      onError: (error) => errors.push((error as Error).message),
    });
    await pass(0);
    world.away(false);
    await pass(2_000);
    expect(errors).toEqual(['away', 'turn 1', 'turn 2']);
    await leader.close();
  });

  test('is not waited for when its turn does not listen', async () => {
    const world = createLeaseWorld();
    const leader = start(world, { turn: () => new Promise(() => {}) });
    await pass(0);
    let isClosed = false;
    void leader.close().then(() => {
      isClosed = true;
    });
    await pass(2_000);
    expect(isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** Whatever runs on one process of many stops in the middle of its work. */
describe('a lost lease', () => {
  const tenants = ['acme', 'globex', 'initech'];
  let writes = 0;
  const records: Records = {
    get: async () => null,
    list: async () => new Map(),
    compareAndSet: async () => {
      writes += 1;
      return true;
    },
    unreadable: () => {},
  };
  /** Starts the loop; `work` is called with a tenant and ends when the lease is lost. */
  type Start = (acquire: Lease['acquire'], work: (tenant: string, signal?: AbortSignal) => Promise<void>) => Leader;
  const loops: Record<string, Start> = {
    'of checkpoints': (acquire, work) =>
      startCheckpoints({
        audit: { head: async () => ({ seq: 1, hash: 'a'.repeat(64) }) },
        acquire,
        tenants,
        sign: () => '',
        write: ({ tenant }, signal) => work(tenant, signal),
        everyMs: 3_600_000,
        clock: () => 0,
        logger: silentLogger,
        meter: silentMeter,
      }),
    'of the keeper': (acquire, work) =>
      startKeeper({
        acquire,
        records,
        tasks: [
          {
            name: 'graph/acme',
            tenant: 'acme',
            channel: 'graph',
            run: async (signal) => {
              for (const tenant of tenants) if (!signal.aborted) await work(tenant, signal);
              return { sources: [] };
            },
          },
        ],
        clock: () => 0,
        everyMs: 60_000,
        silentAfterMs: 60_000,
        logger: silentLogger,
      }),
  };

  test.each(Object.entries(loops))('%s stops the work that is going on', async (_, startLoop) => {
    const world = createLeaseWorld();
    const begun: string[] = [];
    const stopped: string[] = [];
    const loop = startLoop(world.acquire, async (tenant, signal) => {
      begun.push(tenant);
      if (signal === undefined) throw new Error('no signal was given');
      await untilAborted(signal);
      stopped.push(tenant);
    });
    await pass(LEASE_MS * 2);
    expect([begun, stopped]).toEqual([['acme'], []]);
    world.take();
    await pass(LEASE_MS / 3);
    expect([begun, stopped]).toEqual([['acme'], ['acme']]);
    await loop.close();
    // A report of a leader that is none any more.
    expect(writes).toBe(0);
  });

  test('of what conversations remember: no other turn is looked at', async () => {
    const world = createLeaseWorld();
    const looked: string[] = [];
    const stop = new AbortController();
    let goOn = (): void => {};
    const turn = { id: 't', at: 0, author: 'U1', asked: 'a', said: 'b' };
    const memory: Memory = {
      recall: async () => [],
      remember: async () => {},
      forgetTurn: async () => {},
      async forget(tenant, isGone) {
        looked.push(tenant);
        isGone(turn, 'slack');
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        isGone(turn, 'slack');
        looked.push(`${tenant} again`);
        return 0;
      },
    };
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (line: unknown) => void warnings.push(line) };
    startForgetting({ memory, tenants, ageMs: 1, acquire: world.acquire, clock: () => 0, logger }, stop.signal);
    await pass(3_600_000);
    expect(looked).toEqual(['acme']);
    world.take();
    await pass(3_600_000);
    goOn();
    await pass(0);
    expect(looked).toEqual(['acme']);
    expect(warnings).toEqual([]);
    stop.abort();
    await pass(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
