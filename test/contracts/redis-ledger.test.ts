import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AccountLimit } from '../../src/queue/ledger.ts';
import type { Store } from '../../src/queue/store.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';

const DAY_SECONDS = 86_400;

const limits: readonly AccountLimit[] = [
  { scope: 'tenant', account: 'acme', resource: 'usdMicros', window: 'month', max: 1_000 },
  { scope: 'user', account: 'acme/digest', resource: 'usdMicros', window: 'hour', max: 1_000 },
  { scope: 'run', account: 'acme/ev_1:1', resource: 'modelCalls', window: 'run', max: 20 },
];

describeRedis('what the ledger leaves in Redis', () => {
  const stores = createTestStores();
  let server: RedisServer;
  let admin: Redis;
  let store: Store;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.port);
    store = await stores.open(server.url);
  });
  afterAll(async () => {
    admin.disconnect();
    await stores.close();
    await server.stop();
  });

  const keys = async (part: string): Promise<string[]> => admin.keys(`{${stores.prefix}:budget}:${part}*`);
  async function hold(id: string) {
    const amounts = { usdMicros: 100, modelCalls: 1 };
    const answer = await store.ledger.reserve({ id, tenant: 'acme', amounts, limits, ttlMs: 60_000 });
    if (answer.kind !== 'reserved') throw new Error(`expected a reservation, got ${answer.kind}`);
    return answer.reservation;
  }

  test('is under one tag, and every count has an end after its window', async () => {
    const held = await hold('one');
    const uses = await keys('use');
    expect(uses).toHaveLength(3);
    for (const use of uses) {
      const seconds = await admin.ttl(use);
      expect(seconds).toBeGreaterThan(DAY_SECONDS);
      expect(seconds).toBeLessThan(33 * DAY_SECONDS);
    }
    await store.ledger.settle(held, {});
  });

  test('is no reservation once it was settled', async () => {
    const held = await hold('two');
    expect(await keys('hold')).toHaveLength(2);
    await store.ledger.settle(held, {});
    expect(await keys('hold')).toEqual([]);
  });

  test('is not a count that comes back after it was forgotten, and then never ends', async () => {
    const held = await hold('three');
    await admin.del(await keys('use'));
    expect(await store.ledger.settle(held, { usdMicros: 1 })).toMatchObject({ isLate: false });
    expect(await keys('use')).toEqual([]);
  });

  test('is nothing for a request that no limit stands against', async () => {
    await store.ledger.reserve({ id: 'four', tenant: 'acme', amounts: { tokens: 1 }, limits, ttlMs: 60_000 });
    expect(await keys('')).toEqual([]);
  });
});
