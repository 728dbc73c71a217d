import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { Hono } from 'hono';
import { Redis } from 'ioredis';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
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
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { createFakeClock } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
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
  const metrics = createMetrics({ figures: {}, clock: Date.now });
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

test('three failures in a row flip a dependency that was well, and two successes flip it back', async () => {
  const store = dependency();
  const { monitor, ask } = watch([store]);
  const statuses: number[] = [];
  const look = async (answer: () => Promise<void>): Promise<void> => {
    store.answer = answer;
    await monitor.refresh();
    statuses.push((await ask()).status);
  };
  for (const answer of [well, away, away, well, away, away, away, well, away, well, well]) await look(answer);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 503, 503, 503, 503, 200]);
});

test('a dependency that does not answer counts as failed, and asking does not wait for it', async () => {
  const store = dependency();
  const { monitor, ask } = watch([store]);
  await monitor.refresh();
  store.answer = () => new Promise(() => {});
  const looking = Promise.all([monitor.refresh(), monitor.refresh(), monitor.refresh()]);
  expect((await ask()).status).toBe(200);
  await looking;
  expect((await ask()).json).toMatchObject({
    status: 'failed',
    checks: { store: { status: 'failed', code: 'ERR_STORE_UNAVAILABLE' } },
  });
});

test('what a process does not need is given the time of three failures after its start before it is called degraded', async () => {
  const worker = { ...dependency(true), name: 'worker', answer: away };
  const check: Check = { ...worker, probe: () => worker.answer() };
  const { monitor, ask } = watch([check]);
  const statuses: unknown[] = [];
  for (let looks = 0; looks < 3; looks += 1) {
    await monitor.refresh();
    const { status, json } = await ask();
    statuses.push([status, (json as { checks: { worker: { status: string } } }).checks.worker.status]);
  }
  expect(statuses).toEqual([
    [200, 'pending'],
    [200, 'pending'],
    [200, 'degraded'],
  ]);
  const other = watch([check]);
  await other.monitor.refresh();
  worker.answer = well;
  await other.monitor.refresh();
  expect((await other.ask()).json).toMatchObject({ checks: { worker: { status: 'ok' } } });
});

test('the names of the operator’s checks are shown with the token of the metrics only', async () => {
  const own = (name: string, probe: Check['probe']): Check => ({ name, probe, isPrivate: true, isOptional: true });
  const monitor = watchReadiness([dependency(), own('vector-db', well), own('crm', well)], () => false);
  monitors.push(monitor);
  await monitor.refresh();
  const app: App = new Hono();
  const metrics = createMetrics({ figures: {}, clock: Date.now });
  const refused: unknown[] = [];
  const tokenRefused = async (one: unknown): Promise<void> => void refused.push(one);
  mountOps({ ready: monitor, metrics, metricsToken: 'a-token-for-metrics-only', crypto: nodeCrypto, tokenRefused })(
    app,
  );
  const names = async (authorization: string) => {
    const headers = authorization === '' ? {} : { authorization };
    const response = await app.request('http://gate.test/ready', { headers });
    return Object.keys(((await response.json()) as { checks: object }).checks);
  };
  expect(await names('')).toEqual(['store', 'check-1', 'check-2']);
  expect(await names('Bearer another-token-altogether')).toEqual(['store', 'check-1', 'check-2']);
  expect(await names('Bearer a-token-for-metrics-only')).toEqual(['store', 'vector-db', 'crm']);
  // A guess is on record here as it is at the metrics.
  expect(refused).toEqual([{ surface: 'metrics', reason: 'unauthenticated' }]);
});

test('liveness asks nothing: it answers while every check hangs', async () => {
  const monitor = watchReadiness([{ ...dependency(), probe: () => new Promise(() => {}) }], () => false);
  monitors.push(monitor);
  const metrics = createMetrics({ figures: {}, clock: Date.now });
  const app: App = new Hono();
  mountOps({ ready: monitor, metrics, metricsToken: undefined, crypto: nodeCrypto, tokenRefused: async () => {} })(app);
  void monitor.refresh();
  expect((await app.request('http://gate.test/health')).status).toBe(200);
  expect((await app.request('http://gate.test/ready')).status).toBe(503);
});

test('an optional dependency that fails is shown and costs no traffic', async () => {
  const { monitor, ask } = watch([{ ...dependency(true), name: 'worker', probe: away }]);
  for (let looks = 0; looks < 3; looks += 1) await monitor.refresh();
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
  const deps = { records, clock: clock.now, taken: () => 0, untaken: async () => 0 };
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

test('a worker that takes nothing at three beats while something waits is told from one that works or has no room', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const path = `${await testFolder()}/stall.db`;
  const { records, close } = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'test',
    logger: silentLogger,
  });
  onTestFinished(close);
  const [deps, beats] = [{ records, clock: Date.now }, { count: 0 }];
  const worker = { taken: 0, untaken: 1 };
  const untaken = async () => {
    beats.count += 1;
    return worker.untaken;
  };
  const stop = startWorkerBeat('only', { ...deps, taken: () => worker.taken, untaken });
  const beat = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      const revision = (await records.get('_system', 'workers', 'only'))?.revision;
      vi.advanceTimersByTime(5_000);
      await until(
        'it has beaten',
        async () => (await records.get('_system', 'workers', 'only'))?.revision !== revision,
      );
    }
  };
  await until('it has beaten once', async () => (await records.list('_system', 'workers')).has('only'));
  await beat(2);
  await probeWorkers(deps);
  await beat(1);
  await expect(probeWorkers(deps)).rejects.toMatchObject({ code: 'ERR_WORKER_STALLED' });
  // One of two that works is enough.
  const stopOther = startWorkerBeat('other', { ...deps, taken: () => 0, untaken: async () => 0 });
  await until('the other has beaten', async () => (await records.list('_system', 'workers')).has('other'));
  await probeWorkers(deps);
  await stopOther();
  worker.taken += 1;
  await beat(1);
  await probeWorkers(deps);
  await beat(3);
  await expect(probeWorkers(deps)).rejects.toMatchObject({ code: 'ERR_WORKER_STALLED' });
  worker.untaken = 0;
  await beat(1);
  await probeWorkers(deps);
  await stop();
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
  expect(await checksOf(ingress.url)).toMatchObject({
    status: 200,
    json: { checks: { worker: { status: 'pending' } } },
  });
  const before = await untilChecks(ingress.url, ({ json }) => json.checks.worker?.status === 'degraded');
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

test('the operator’s own checks make a worker unready, and an ingress never', async () => {
  const folder = await testFolder();
  const dependencies = createServer((request, response) => {
    response.writeHead(request.url === '/well' ? 204 : 500).end();
  });
  await new Promise<void>((resolve) => dependencies.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void dependencies.close());
  const { port } = dependencies.address() as AddressInfo;
  const checks = [
    { name: 'answers', url: `http://127.0.0.1:${port}/well` },
    { name: 'connects', tcp: `127.0.0.1:${port}` },
    { name: 'nice-to-have', url: `http://127.0.0.1:${port}/ill`, optional: true },
    { name: 'needed', tcp: `127.0.0.1:${await freePort()}` },
  ];
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ ready: { checks } }));
  const environment = { ...freshKeys(), LOG_LEVEL: 'silent', SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics-only' };
  const statusesOf = (checks: Record<string, { status: string; code?: string }>) =>
    Object.fromEntries(Object.entries(checks).map(([name, { status, code }]) => [name, code ?? status]));
  for (const [role, status] of [
    ['ingress', 200],
    ['worker', 503],
  ] as const) {
    const gate = await startRole({ role, folder, environment });
    onTestFinished(() => gate.kill());
    const answer = await untilChecks(gate.url, ({ json }) => Object.keys(json.checks).includes('check-4'));
    expect(answer.status).toBe(status);
    expect(answer.text).not.toMatch(/needed|nice-to-have|127\.0\.0\.1/);
    expect(statusesOf(answer.json.checks)).toMatchObject({
      'check-1': 'ok',
      'check-2': 'ok',
      'check-3': 'ERR_CHECK_FAILED',
      'check-4': 'ERR_CHECK_FAILED',
    });
  }
});

describeRedis('ready and Redis', () => {
  test('a queue that an operator has paused shows as workers that take nothing, until it goes on', async () => {
    const redis = await startRedis();
    const keys = freshKeys();
    const environment = { ...keys, SALLYPORT_REDIS_URL: redis.url, LOG_LEVEL: 'silent' };
    const gate = await startRole({ role: 'all', folder: await testFolder(), environment });
    const connection = new Redis(redis.port, { maxRetriesPerRequest: null });
    const queue = new Queue('wakes', { connection, prefix: '{sp:q}' });
    onTestFinished(async () => {
      await gate.kill();
      await queue.close();
      connection.disconnect();
      await redis.stop();
    });
    await untilChecks(gate.url, ({ json }) => json.checks.worker?.status === 'ok');
    await queue.pause();
    const message = slackJson(slackMessage({ text: 'hello', channel: 'D0', at: Date.now() }));
    const signed = signSlackRequest(message, { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });
    const sent = await fetch(`${gate.url}/hooks/slack`, { ...signed, body: new Uint8Array(signed.body) });
    expect(sent.status).toBe(200);
    const paused = await untilChecks(gate.url, ({ json }) => json.checks.worker?.status === 'degraded');
    expect(paused).toMatchObject({ status: 200, json: { checks: { worker: { code: 'ERR_WORKER_STALLED' } } } });
    await queue.resume();
    await untilChecks(gate.url, ({ json }) => json.checks.worker?.status === 'ok');
  });

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
