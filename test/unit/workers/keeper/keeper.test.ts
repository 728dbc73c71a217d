import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KeeperTask } from '../../../../src/channels/channel.ts';
import { SallyportError } from '../../../../src/core/errors.ts';
import type { KeptSource } from '../../../../src/core/kept-source.ts';
import { type LogFields, type Logger, silentLogger } from '../../../../src/core/logger.ts';
import { probeSubscriptions, sourceFigures } from '../../../../src/ops/subscriptions.ts';
import { openEmbeddedStore } from '../../../../src/queue/embedded/open.ts';
import type { Leader } from '../../../../src/queue/leader.node.ts';
import { createKeeperReports } from '../../../../src/queue/records/keeper-reports.ts';
import { defaultLimits, type Store } from '../../../../src/queue/store.ts';
import { startKeeper } from '../../../../src/workers/keeper/keeper.ts';
import { createFakeClock, type FakeClock, sleep } from '../../../support/clock.ts';
import { attachedTo, nothingAttached } from '../../../support/signals.ts';
import { until } from '../../../support/until.ts';

/** Sources stay alive whoever runs: one worker leads, and everybody can see what it found. */

const HOUR_MS = 3_600_000;
const SILENT_MS = 24 * HOUR_MS;

let folder: string;
let store: Store;
let clock: FakeClock;
let keepers: Leader[];
let lines: { name: string; fields: LogFields }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-keeper-'));
  clock = createFakeClock();
  store = await openEmbeddedStore({
    path: join(folder, 'k.db'),
    limits: defaultLimits,
    idCheck: 'k',
    logger: silentLogger,
  });
  keepers = [];
  lines = [];
});
afterEach(async () => {
  await Promise.all(keepers.map((keeper) => keeper.close()));
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const note = (fields: LogFields, name: string): void => void lines.push({ name, fields });
const logger: Logger = { debug() {}, info: note, warn: note, error: note };

const source = (overrides: Partial<KeptSource> = {}): KeptSource => ({
  name: 'users/a/messages',
  state: 'active',
  expiresAt: clock.now() + 48 * HOUR_MS,
  lastEventAt: clock.now(),
  ...overrides,
});

/** A task that counts its runs and says what it is told to say. */
const taskOf = (
  run: (signal: AbortSignal) => Promise<KeptSource[]> | KeptSource[],
  tenant = 'default',
): KeeperTask => ({
  name: `graph/${tenant}`,
  tenant,
  channel: 'graph',
  run: async (signal) => ({ sources: await run(signal) }),
});

const start = (tasks: readonly KeeperTask[], overrides: Partial<Parameters<typeof startKeeper>[0]> = {}): Leader => {
  const keeper = startKeeper({
    acquire: (name, ttlMs) => store.lease.acquire(name, ttlMs),
    records: store.records,
    tasks,
    clock: clock.now,
    everyMs: 60_000,
    silentAfterMs: SILENT_MS,
    logger,
    pollMs: 5,
    ...overrides,
  });
  keepers.push(keeper);
  return keeper;
};

describe('the keeper', () => {
  it('runs its tasks at once, then as often as it should', async () => {
    let runs = 0;
    start([
      taskOf(() => {
        runs += 1;
        return [source()];
      }),
    ]);
    await until('the task ran', () => runs === 1);
    await sleep(50);
    expect(runs).toBe(1);
    clock.advance(59_999);
    await sleep(50);
    expect(runs).toBe(1);
    clock.advance(1);
    await until('the task ran again', () => runs === 2);
  });

  it('leaves nothing on the signals that live as long as it does', async () => {
    const made: AbortSignal[] = [];
    vi.stubGlobal(
      'AbortController',
      class extends AbortController {
        constructor() {
          super();
          made.push(this.signal);
        }
      },
    );
    try {
      let runs = 0;
      const count = (): KeptSource[] => {
        runs += 1;
        return [source()];
      };
      start([taskOf(count), taskOf(count, 'other')], { everyMs: 0 });
      await until('the tasks ran 40 times', () => runs >= 40);
      await keepers[0]?.close();
      expect(made.length).toBeGreaterThan(1);
      expect(made.map(attachedTo)).toEqual(made.map(() => nothingAttached));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('is one of many workers: the others take over only when it goes', async () => {
    const running: string[] = [];
    const taskFor = (worker: string) =>
      taskOf(() => {
        running.push(worker);
        return [];
      });
    const first = start([taskFor('first')]);
    await until('a worker leads', () => running.length > 0);
    start([taskFor('second')]);
    start([taskFor('third')]);
    for (let i = 0; i < 5; i += 1) {
      clock.advance(60_000);
      await sleep(30);
    }
    expect(new Set(running)).toEqual(new Set(['first']));
    await first.close();
    clock.advance(60_000);
    await until('another worker leads', () => running.some((worker) => worker !== 'first'));
    const [heir] = running.filter((worker) => worker !== 'first');
    clock.advance(60_000);
    await sleep(50);
    expect(new Set(running)).toEqual(new Set(['first', heir]));
  });

  it('stops its tasks when it is closed', async () => {
    let begun = false;
    let aborted = false;
    const keeper = start([
      taskOf(
        (signal) =>
          new Promise((resolve) => {
            begun = true;
            signal.addEventListener('abort', () => {
              aborted = true;
              resolve([]);
            });
          }),
      ),
    ]);
    await until('the task runs', () => begun);
    await keeper.close();
    expect(aborted).toBe(true);
  });

  it('stops its tasks when its lease is lost, and leads no more', async () => {
    let isLost = false;
    let acquired = 0;
    let begun = 0;
    let stopped = 0;
    const wait = (signal: AbortSignal): Promise<KeptSource[]> =>
      new Promise((resolve) => {
        begun += 1;
        signal.addEventListener('abort', () => {
          stopped += 1;
          resolve([]);
        });
      });
    start([taskOf(wait)], {
      acquire: async () => {
        acquired += 1;
        return acquired === 1 ? { renew: async () => !isLost, release: async () => {} } : null;
      },
      leaseMs: 30,
    });
    await until('the task runs', () => begun === 1);
    await sleep(100);
    // As long as the lease is ours nothing is stopped.
    expect([begun, stopped]).toEqual([1, 0]);
    isLost = true;
    await until('the task is stopped', () => stopped === 1);
    await until('the keeper asks for the lease again', () => acquired > 1);
    clock.advance(120_000);
    await sleep(50);
    expect([begun, stopped]).toEqual([1, 1]);
  });

  it('goes on after a task that failed, and after a store that was away', async () => {
    let runs = 0;
    const fail = (): never => {
      runs += 1;
      throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'the vendor is away');
    };
    let isAway = true;
    start([taskOf(fail), taskOf(() => [source()], 'acme')], {
      acquire: async (name, ttlMs) => {
        if (isAway) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
        return store.lease.acquire(name, ttlMs);
      },
    });
    await until('the failure is logged', () => lines.some(({ name }) => name === 'keeper.failed'));
    isAway = false;
    await until(
      'the other task has reported',
      async () => (await createKeeperReports(store.records).read('acme')).size === 1,
    );
    expect(lines.find(({ name }) => name === 'keeper.task-failed')?.fields).toMatchObject({
      code: 'ERR_SOURCE_UNAVAILABLE',
    });
    clock.advance(60_000);
    await until('the task ran again', () => runs === 2);
  });

  it("runs a tenant's tasks at once when an operator wishes so, once a wish", async () => {
    const runs = { default: 0, acme: 0 };
    const count = (tenant: keyof typeof runs) =>
      taskOf(() => {
        runs[tenant] += 1;
        return [];
      }, tenant);
    start([count('default'), count('acme')]);
    await until('both tasks ran', () => runs.acme === 1 && runs.default === 1);
    clock.advance(1);
    await createKeeperReports(store.records).requestSync('acme', clock.now());
    await until('the task ran at the operator’s wish', () => runs.acme === 2);
    await sleep(50);
    expect(runs).toEqual({ default: 1, acme: 2 });
  });
});

describe('what it found', () => {
  const report = async (sources: KeptSource[], tenant = 'default'): Promise<void> =>
    createKeeperReports(store.records).write(tenant, `graph/${tenant}`, { channel: 'graph', at: clock.now(), sources });

  const figures = () =>
    sourceFigures({ records: store.records, tenants: ['default', 'acme'], clock: clock.now, silentAfterMs: SILENT_MS });
  const probe = () => probeSubscriptions({ records: store.records, tenants: ['default'], clock: clock.now });

  it('is kept for everybody: readiness fails for what has lapsed, by report or by time', async () => {
    await expect(probe()).resolves.toBeUndefined();
    await report([source({ expiresAt: clock.now() + HOUR_MS })]);
    await expect(probe()).resolves.toBeUndefined();
    clock.advance(HOUR_MS);
    await expect(probe()).rejects.toMatchObject({ code: 'ERR_SUBSCRIPTION_LAPSED' });
    await report([source({ state: 'lapsed', expiresAt: null })]);
    await expect(probe()).rejects.toMatchObject({ code: 'ERR_SUBSCRIPTION_LAPSED' });
  });

  it('becomes figures: the first end over all tenants, and how many sources have which alarm', async () => {
    await report([source(), source({ name: 'b', expiresAt: clock.now() + HOUR_MS, state: 'failing' })]);
    await report([source({ name: 'c', lastEventAt: clock.now() - SILENT_MS - 1, expiresAt: null })], 'acme');
    const graph = (await figures()).get('graph');
    expect(graph?.expiresInMs).toBe(HOUR_MS);
    expect(graph?.alarms).toEqual(
      new Map([
        ['expiring', 1],
        ['failing', 1],
        ['silent', 1],
      ]),
    );
  });

  it('raises an alarm once when it begins, again after hours, and says when it is over', async () => {
    let sources: KeptSource[] = [];
    let runs = 0;
    start([
      taskOf(() => {
        runs += 1;
        return sources;
      }),
    ]);
    const next = async (): Promise<void> => {
      const before = runs;
      clock.advance(60_000);
      await until('the task ran again', () => runs > before);
      await sleep(20);
    };
    const alarms = (): unknown[] =>
      lines.filter(({ name }) => name.startsWith('source.')).map(({ name, fields }) => `${name} ${fields.alarm}`);
    const silent = source({ lastEventAt: null, startedAt: clock.now() - SILENT_MS });
    sources = [silent];
    await next();
    await next();
    expect(alarms()).toEqual(['source.alarm silent']);
    clock.advance(7 * HOUR_MS);
    await next();
    expect(alarms()).toEqual(['source.alarm silent', 'source.alarm silent']);
    sources = [source()];
    await next();
    expect(alarms().at(-1)).toBe('source.recovered silent');
  });
});
