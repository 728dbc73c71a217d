import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import { createEventMaker } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis, startSentinel } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';

const event = createEventMaker(Date.now);

describeRedis('Sentinel', () => {
  let servers: RedisServer[];
  let stores: TestStores;
  let url: string;
  beforeEach(async () => {
    const master = await startRedis();
    const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
    const admin = new Redis(master.port);
    await vi.waitFor(async () => expect(await admin.info('replication')).toMatch(/state=online,offset=[1-9]/), {
      timeout: 15_000,
    });
    admin.disconnect();
    const sentinel = await startSentinel(master.port);
    servers = [master, replica, sentinel];
    stores = createTestStores();
    url = `redis+sentinel://127.0.0.1:${sentinel.port}/main`;
    const watch = new Redis(sentinel.port);
    await vi.waitFor(async () => expect(String(await watch.call('SENTINEL', 'replicas', 'main'))).toContain('ok'), {
      timeout: 15_000,
      interval: 200,
    });
    watch.disconnect();
  });
  afterEach(async () => {
    await stores.close();
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('leads to the new master when the old one dies; what a replica acknowledged is there and runs once', async () => {
    const store = await stores.open(url, { minReplicas: 1 });
    const late = await stores.open(url);
    const accept = (from: typeof store, each: InboundEvent) =>
      vi.waitFor(() => from.inbox.accept([each]), { timeout: 25_000, interval: 50 });
    const first = Array.from({ length: 20 }, () => event());
    await Promise.all(first.map((each) => accept(store, each)));
    await servers[0]?.kill();
    const second = Array.from({ length: 20 }, () => event());
    await Promise.all(second.map((each) => accept(late, each)));
    const ran: string[] = [];
    consumeInto(late, ran);
    const all = [...first, ...second].map(({ id }) => id);
    await vi.waitFor(() => expect([...ran].sort()).toEqual([...all].sort()), { timeout: 20_000 });
  }, 60_000);

  it('is asked through another Sentinel when one hangs', async () => {
    const [master] = servers;
    const frozen = await startSentinel(master?.port ?? 0);
    servers.push(frozen);
    frozen.pause();
    const store = await stores.open(url.replace('127.0.0.1', `127.0.0.1:${frozen.port},127.0.0.1`));
    const first = event();
    const accepted = () => store.inbox.accept([first]);
    expect(await vi.waitFor(accepted, { timeout: 10_000, interval: 50 })).toMatchObject([{ outcome: 'accepted' }]);
  });
});
