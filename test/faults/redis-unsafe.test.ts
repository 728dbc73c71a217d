import { afterEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';

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
