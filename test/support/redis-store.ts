import { randomUUID } from 'node:crypto';
import { noUsage } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { RedisStoreOptions } from '../../src/queue/redis/client/options.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits, type Store, type StoreLimits } from '../../src/queue/store.ts';

export interface TestStores {
  /** Opens a store under a prefix of this test's own, unless another is given. */
  open(
    url: string,
    overrides?: Partial<Omit<RedisStoreOptions, 'limits'>>,
    limits?: Partial<StoreLimits>,
  ): Promise<Store>;
  /** The prefix every store of this test shares. */
  readonly prefix: string;
  close(): Promise<void>;
}

/** Stores of one test: they see the same data and are closed together. */
export function createTestStores(): TestStores {
  const prefix = randomUUID();
  const opened: Store[] = [];
  return {
    prefix,
    open: async (url, overrides = {}, limits = {}) => {
      const store = await openRedisStore({
        url,
        prefix,
        shards: 1,
        minReplicas: 0,
        allowUnsafe: false,
        limits: { ...defaultLimits, ...limits },
        idCheck: 'check',
        logger: silentLogger,
        relay: { cleanMs: 200 },
        ...overrides,
      });
      opened.push(store);
      return store;
    },
    close: async () => void (await Promise.all(opened.splice(0).map((store) => store.close()))),
  };
}

/** Runs everything the store has, noting the event ids in the order in which they ran. */
export function consumeInto(
  store: Store,
  ran: string[],
  { concurrency = 8, onRun = async () => {} }: { concurrency?: number; onRun?: (id: string) => Promise<void> } = {},
) {
  return store.jobs.consume({
    concurrency,
    run: async (conversation) => {
      let taken = await store.lease.take(conversation);
      while (taken.kind === 'head') {
        ran.push(taken.lease.eventId);
        await onRun(taken.lease.eventId);
        const run = { startedAt: Date.now(), finishedAt: Date.now(), outcome: 'silent', usage: noUsage } as const;
        taken = await store.lease.finish(taken.lease, { kind: 'done', run }, true);
      }
    },
  });
}
