import { Hono } from 'hono';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import { type Check, type ReadyMonitor, watchReadiness } from '../../src/ops/ready.ts';
import { probeWorkers, startWorkerBeat } from '../../src/ops/worker-beat.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits } from '../../src/queue/store.ts';
import { mountOps } from '../../src/server/health/routes.ts';
import type { App } from '../../src/server/http/context.ts';
import { freshKeys } from '../support/campaign.ts';
import { createFakeClock } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const monitors: ReadyMonitor[] = [];
afterEach(() => {
  for (const monitor of monitors.splice(0)) monitor.stop();
});

const away = async (): Promise<void> => {
  throw new SallyportError('ERR_STORE_UNAVAILABLE', 'redis://:s3cret@10.1.2.3:6379 version 7.0.15 refused');
};
const well = async (): Promise<void> => {};

/** A dependency that is as the test says. */
function dependency(isOptional = false): Check & { answer: () => Promise<void> } {
  const check = { name: 'store', isOptional, answer: well, probe: () => check.answer() };
  return check;
}

function watch(checks: readonly Check[], isDraining = () => false) {
  const monitor = watchReadiness(checks, isDraining);
  monitors.push(monitor);
  const app: App = new Hono();
  const metrics = createMetrics({ stats: null, sources: null, clock: Date.now });
  mountOps({ ready: monitor, metrics, metricsToken: undefined, crypto: nodeCrypto, tokenRefused: async () => {} })(app);
  const ask = async () => {
    const response = await app.request('http://gate.test/ready');
    return { status: response.status, text: await response.clone().text(), json: await response.json() };
  };
  return { monitor, ask };
}

test('ready says of each dependency how it is, how long that took and why, and nothing of where or what it is', async () => {
  const broken = { ...dependency(), name: 'store', probe: away };
  const { monitor, ask } = watch([broken, { name: 'worker', probe: well }]);
  await monitor.refresh();
  const { status, text, json } = await ask();
  expect(status).toBe(503);
  expect(json).toEqual({
    status: 'failed',
    checks: {
      store: { status: 'failed', latencyMs: expect.any(Number), code: 'ERR_STORE_UNAVAILABLE' },
      worker: { status: 'ok', latencyMs: expect.any(Number) },
    },
  });
  expect(text).not.toMatch(/s3cret|10\.1\.2\.3|7\.0\.15|redis/);
});

test('before every dependency has been looked at, it is not ready', async () => {
  const { monitor, ask } = watch([dependency()]);
  expect((await ask()).status).toBe(503);
  await monitor.refresh();
  expect((await ask()).status).toBe(200);
});

test('one bad look flips nothing, two in a row do; and so the other way round', async () => {
  const store = dependency();
  const { monitor, ask } = watch([store]);
  const statuses: number[] = [];
  const look = async (answer: () => Promise<void>): Promise<void> => {
    store.answer = answer;
    await monitor.refresh();
    statuses.push((await ask()).status);
  };
  for (const answer of [well, away, well, away, well, away, away, well, away, well, well]) await look(answer);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 503, 503, 503, 503, 200]);
});

test('a dependency that does not answer counts as failed, and asking does not wait for it', async () => {
  const store = dependency();
  const { monitor, ask } = watch([store]);
  await monitor.refresh();
  store.answer = () => new Promise(() => {});
  const looking = monitor.refresh().then(() => monitor.refresh());
  expect((await ask()).status).toBe(200);
  await looking;
  expect((await ask()).json).toMatchObject({ status: 'failed', checks: { store: { status: 'failed' } } });
});

test('an optional dependency that fails is shown and costs no traffic', async () => {
  const { monitor, ask } = watch([{ ...dependency(true), name: 'worker', probe: away }]);
  await monitor.refresh();
  expect(await ask()).toMatchObject({
    status: 200,
    json: { status: 'ok', checks: { worker: { status: 'degraded' } } },
  });
});

test('a process that is stopping is not ready, whatever its dependencies say', async () => {
  let isDraining = false;
  const { monitor, ask } = watch([dependency()], () => isDraining);
  await monitor.refresh();
  isDraining = true;
  expect(await ask()).toMatchObject({ status: 503, json: { status: 'failed', checks: { store: { status: 'ok' } } } });
});

test('a worker that beats is heard of; one that stopped, or was killed 15 s ago, is not', async () => {
  const clock = createFakeClock();
  const path = `${await testFolder()}/beat.db`;
  const options = { path, limits: defaultLimits, idCheck: 'test', logger: silentLogger, clock: clock.now };
  const { records, close } = await openEmbeddedStore(options);
  onTestFinished(close);
  const deps = { records, clock: clock.now };
  const silent = { code: 'ERR_WORKER_SILENT' };
  await expect(probeWorkers(deps)).rejects.toMatchObject(silent);
  const stopFirst = startWorkerBeat('first', deps);
  const stopSecond = startWorkerBeat('second', deps);
  await until('the second worker has beaten', async () => (await records.list('_system', 'workers')).has('second'));
  await stopFirst();
  await probeWorkers(deps);
  clock.advance(15_000);
  await probeWorkers(deps);
  clock.advance(1);
  await expect(probeWorkers(deps)).rejects.toMatchObject(silent);
  await stopSecond();
  expect((await records.list('_system', 'workers')).size).toBe(0);
});

const checksOf = async (url: string) => {
  const response = await fetch(`${url}/ready`);
  return {
    status: response.status,
    text: await response.clone().text(),
    json: (await response.json()) as { checks: Record<string, { status: string; code?: string }> },
  };
};

async function untilChecks(url: string, holds: (now: Awaited<ReturnType<typeof checksOf>>) => boolean) {
  let now = await checksOf(url);
  const look = async (): Promise<boolean> => {
    now = await checksOf(url);
    return holds(now);
  };
  await until('readiness is as expected', look, { everyMs: 50 });
  return now;
}

test('an ingress is ready without a worker, says that none is heard of, and hears the one that comes', async () => {
  const folder = await testFolder();
  const environment = { ...freshKeys(), LOG_LEVEL: 'silent' };
  const ingress = await startRole({ role: 'ingress', folder, environment });
  onTestFinished(() => ingress.kill());
  const before = await checksOf(ingress.url);
  expect(before).toMatchObject({
    status: 200,
    json: {
      status: 'ok',
      checks: { store: { status: 'ok' }, worker: { status: 'degraded', code: 'ERR_WORKER_SILENT' } },
    },
  });
  expect(before.text).not.toMatch(/127\.0\.0\.1|sqlite|libsql|\d+\.\d+\.\d+/i);
  const worker = await startRole({ role: 'worker', folder, environment });
  onTestFinished(() => worker.kill());
  expect(await (await fetch(`${worker.url}/health`)).json()).toEqual({ status: 'ok' });
  const after = await untilChecks(ingress.url, ({ json }) => json.checks.worker?.status === 'ok');
  expect(after.json.checks.worker).not.toHaveProperty('code');
});

describeRedis('ready and Redis', () => {
  test('a Redis that goes away turns it to 503 without a word about where it was, and back when it comes back', async () => {
    const redis = await startRedis();
    const environment = { ...freshKeys(), SALLYPORT_REDIS_URL: redis.url, LOG_LEVEL: 'silent' };
    const gate = await startRole({ role: 'ingress', folder: await testFolder(), environment });
    onTestFinished(async () => {
      await gate.kill();
      await redis.stop();
    });
    expect((await checksOf(gate.url)).status).toBe(200);
    await redis.kill();
    const without = await untilChecks(gate.url, ({ status }) => status === 503);
    expect(without.json).toMatchObject({
      status: 'failed',
      checks: { store: { status: 'failed', code: 'ERR_STORE_UNAVAILABLE' } },
    });
    expect(without.text).not.toMatch(new RegExp(`redis|127\\.0\\.0\\.1|${redis.port}`, 'i'));
    await redis.restart();
    await untilChecks(gate.url, ({ status }) => status === 200);
  });
});
