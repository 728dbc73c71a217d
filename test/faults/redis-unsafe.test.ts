import { Redis } from 'ioredis';
import { afterEach, expect, it, vi } from 'vitest';
import { silentLogger } from '../../src/core/logger.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { createEventMaker } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { consumeInto, createTestStores } from '../support/redis-store.ts';
import { until } from '../support/until.ts';

const event = createEventMaker(Date.now);
const note = { actor: 'system', action: 'run.finished', subject: 'e', data: {} } as const;

describeRedis('a Redis that may lose events', () => {
  const stores = createTestStores();
  let server: RedisServer;
  afterEach(async () => {
    await stores.close();
    await server.stop();
  });

  it.each([
    ['without AOF', ['--appendonly', 'no'], 'appendonly yes'],
    ['that evicts', ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'], 'maxmemory-policy noeviction'],
    ['that evicts what has a time to live', ['--maxmemory-policy', 'volatile-ttl'], 'maxmemory-policy noeviction'],
  ])('%s is refused with the setting to change', async (_, args, setting) => {
    server = await startRedis({ args });
    const store = await stores.open(server.url);
    await expect(store.check()).rejects.toMatchObject({
      code: 'ERR_STORE_UNSAFE',
      message: expect.stringContaining(setting),
    });
  });

  it('is only warned about when that was asked for', async () => {
    server = await startRedis({ args: ['--appendonly', 'no'] });
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, name: string) => void warnings.push(name) };
    const store = await stores.open(server.url, { allowUnsafe: true, logger });
    await expect(store.check()).resolves.toBeUndefined();
    expect(warnings).toEqual(['store.unsafe']);
  });

  it('is checked without CONFIG, which managed Redis blocks', async () => {
    server = await startRedis({ args: ['--rename-command', 'CONFIG', ''] });
    const store = await stores.open(server.url);
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('says how full its memory is, when it has a limit', async () => {
    server = await startRedis({ args: ['--maxmemory', '64mb'] });
    const store = await stores.open(server.url);
    const { memoryRatio } = await store.jobs.stats();
    expect(memoryRatio).toBeGreaterThan(0);
    expect(memoryRatio).toBeLessThan(1);
  });

  it('that is full is told of with the kind of failure, and so is one that has gone', async () => {
    server = await startRedis({ args: ['--maxmemory', '64mb'] });
    const kinds: string[] = [];
    const store = await stores.open(server.url, { onFailure: (kind) => kinds.push(kind) });
    await store.inbox.accept([event()]);
    expect(kinds).toEqual([]);
    const admin = new Redis(server.port);
    await admin.config('SET', 'maxmemory', '1');
    await expect(store.audit.append('acme', [{ ...note, at: 1 }])).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    });
    expect(new Set(kinds)).toEqual(new Set(['oom']));
    kinds.length = 0;
    await expect(store.inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    expect(kinds).toEqual(['oom']);
    admin.disconnect();
    await server.stop();
    await expect(store.jobs.stats()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    expect(kinds.at(-1)).toMatch(/^(connection|timeout)$/);
  });

  it('that is nearly full refuses events and still lets workers finish what it has', async () => {
    server = await startRedis({ args: ['--maxmemory', '64mb'] });
    const store = await stores.open(server.url);
    const accepted: string[] = [];
    const fill = async (): Promise<boolean> => {
      const [answer] = await store.inbox.accept([event({ text: 'x'.repeat(40_000) })]);
      if (answer?.outcome === 'accepted') accepted.push(answer.id);
      else expect(answer).toEqual({ outcome: 'full' });
      return answer?.outcome === 'full';
    };
    await until('Redis is nearly full', fill, { everyMs: 2 });
    const ran: string[] = [];
    consumeInto(store, ran);
    await vi.waitFor(() => expect(ran).toHaveLength(accepted.length), { timeout: PATIENCE_MS });
    await vi.waitFor(async () => expect((await store.jobs.stats()).states.done).toBe(accepted.length), {
      timeout: PATIENCE_MS,
    });
    expect(new Set(ran)).toEqual(new Set(accepted));

    const admin = new Redis(server.port);
    await admin.config('SET', 'maxmemory', '128mb');
    admin.disconnect();
    const late = event();
    await vi.waitFor(async () => expect(await store.inbox.accept([late])).toMatchObject([{ outcome: 'accepted' }]), {
      timeout: PATIENCE_MS,
    });
  });

  const flush = async (): Promise<void> => {
    const admin = new Redis(server.port);
    await admin.flushall();
    admin.disconnect();
  };

  it('that was flushed is marked anew by the next check, so that no process with another id key starts beside it', async () => {
    server = await startRedis();
    const store = await stores.open(server.url);
    await flush();
    await store.check();
    await expect(stores.open(server.url, { idCheck: 'another' })).rejects.toMatchObject({ code: 'ERR_STORE_MISMATCH' });
    await expect(store.inbox.accept([event()])).resolves.toMatchObject([{ outcome: 'accepted' }]);
  });

  it('that was flushed and marked with another id key since takes nothing more of this one, from the next check on', async () => {
    server = await startRedis();
    const store = await stores.open(server.url);
    await flush();
    await stores.open(server.url, { idCheck: 'another' });
    await expect(store.check()).rejects.toMatchObject({ code: 'ERR_STORE_MISMATCH' });
    await expect(store.inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_MISMATCH' });
  });

  it.each([
    ['another number of shards', { shards: 2 }],
    ['another id key', { idCheck: 'another' }],
  ])('is not opened with %s than at the first start', async (_, overrides) => {
    server = await startRedis();
    await stores.open(server.url);
    await expect(stores.open(server.url, overrides)).rejects.toMatchObject({ code: 'ERR_STORE_MISMATCH' });
    await expect(stores.open(server.url)).resolves.toBeDefined();
  });
});
