import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { silentLogger } from '../../src/core/logger.ts';
import type { RedisStoreOptions } from '../../src/queue/redis/client/options.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import type { StoreHarness } from './harness.ts';
import { storeContract } from './store.contract.ts';

// One shard is the default, and the only place where tenants could meet; several are what a cluster has.
for (const shards of [1, 2]) {
  describeRedis(`redis, ${shards} shard(s)`, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server.stop());

    const optionsOf = new Map<Store, RedisStoreOptions>();
    async function open(options: RedisStoreOptions): Promise<Store> {
      const store = await openRedisStore(options);
      optionsOf.set(store, options);
      return store;
    }

    const harness: StoreHarness = {
      open: ({ limits, clock } = {}) =>
        open({
          url: server.url,
          prefix: randomUUID(),
          shards,
          minReplicas: 0,
          allowUnsafe: false,
          limits: { ...defaultLimits, ...limits },
          idCheck: 'check',
          ...(clock === undefined ? {} : { clock }),
          logger: silentLogger,
          relay: { cleanMs: 200 },
        }),
      // The relay hands every wake to BullMQ, whose queue is paused and then obliterated.
      loseWakes: async (store) => {
        const options = optionsOf.get(store) as RedisStoreOptions;
        const connection = new Redis(server.port, { maxRetriesPerRequest: null });
        const queue = new Queue('wakes', { connection, prefix: `{${options.prefix}:q}` });
        await queue.pause();
        const consumer = store.jobs.consume({ concurrency: 8, run: async () => {} });
        await vi.waitFor(async () => expect(await queue.getWaitingCount()).toBeGreaterThan(0), {
          timeout: PATIENCE_MS,
        });
        await consumer.close(1_000);
        await queue.obliterate({ force: true });
        await queue.close();
        connection.disconnect();
      },
      reopen: (store) => open(optionsOf.get(store) as RedisStoreOptions),
      cleanup: async () => {
        await Promise.all([...optionsOf.keys()].map((store) => store.close()));
        optionsOf.clear();
      },
    };

    storeContract('redis', harness);
  });
}
