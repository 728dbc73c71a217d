import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores, type TestStores } from '../support/redis-store.ts';

const event = createEventMaker(Date.now);
const missing = { code: 'ERR_REPLICAS_MISSING' };

describeRedis('a store that must be replicated', () => {
  let master: RedisServer;
  let replica: RedisServer;
  let stores: TestStores;
  let store: Store;
  beforeEach(async () => {
    master = await startRedis();
    replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
    const admin = new Redis(master.port);
    await vi.waitFor(async () => expect(await admin.info('replication')).toMatch(/state=online,offset=[1-9]/), {
      timeout: PATIENCE_MS,
    });
    admin.disconnect();
    stores = createTestStores();
    store = await stores.open(master.url, { minReplicas: 1 });
    // Online is not yet prompt: it may still be loading what it was sent.
    await vi.waitFor(() => store.inbox.accept([event()]), { timeout: PATIENCE_MS });
  });
  afterEach(async () => {
    replica.resume();
    await stores.close();
    await Promise.all([master.stop(), replica.stop()]);
  });

  it('accepts what a replica has received', async () => {
    const first = event();
    expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
    expect(await store.inbox.accept([deliveredAgain(first)])).toEqual([{ outcome: 'duplicate', id: first.id }]);
  });

  it('refuses while the replica hangs, and refuses the retry too, whoever receives it, until the replica is back', async () => {
    const first = event();
    replica.pause();
    await expect(store.inbox.accept([first])).rejects.toMatchObject(missing);
    await expect(store.inbox.accept([deliveredAgain(first)])).rejects.toMatchObject(missing);
    const other = await stores.open(master.url, { minReplicas: 1 });
    await expect(other.inbox.accept([deliveredAgain(first)])).rejects.toMatchObject(missing);
    await expect(other.inbox.accept([first])).rejects.toMatchObject(missing);
    replica.resume();
    await vi.waitFor(
      async () => expect(await other.inbox.accept([deliveredAgain(first)])).toMatchObject([{ outcome: 'duplicate' }]),
      { timeout: PATIENCE_MS },
    );
  });

  it('refuses callbacks as well, and the same again is a duplicate once the replica is back', async () => {
    const first = event();
    await store.inbox.accept([first]);
    const callback = { generation: 1, step: 'callback', value: { text: 'hello' } };
    const callBack = () => store.callbacks.accept(first.tenant, first.id, callback);
    replica.pause();
    await expect(callBack()).rejects.toMatchObject(missing);
    await expect(callBack()).rejects.toMatchObject(missing);
    replica.resume();
    await vi.waitFor(async () => expect(await callBack()).toEqual({ kind: 'duplicate' }), { timeout: PATIENCE_MS });
  });

  it('refuses when more replicas are demanded than there are', async () => {
    const strict = await stores.open(master.url, { minReplicas: 2 });
    await expect(strict.inbox.accept([event()])).rejects.toMatchObject(missing);
  });
});
