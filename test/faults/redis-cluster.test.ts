import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { createKeys } from '../../src/queue/redis/keys.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisClusterServers, startRedisCluster } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';

const SHARDS = 8;
const event = createEventMaker(Date.now);
const tenants = Array.from({ length: 40 }, (_, i) => `tenant-${i}`);

async function mastersSeenBy(admin: Redis): Promise<number[]> {
  const slots = await admin.cluster('SLOTS');
  return slots.map(([, , master]) => Number(master?.[1]));
}

describeRedis('Redis Cluster', () => {
  let cluster: RedisClusterServers;
  let stores: TestStores;
  let store: Store;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());
  beforeEach(async () => {
    stores = createTestStores();
    // What dies with a master comes back when these have passed.
    store = await stores.open(cluster.url, { shards: SHARDS, minReplicas: 1 }, { leaseMs: 5_000, rewakeMs: 2_000 });
  });
  afterEach(() => stores.close());

  const eventOfEach = () => tenants.map((tenant) => event({ tenant }));

  it('spreads tenants over its shards', () => {
    const { tagOf } = createKeys('sp', SHARDS);
    expect(new Set(tenants.map(tagOf)).size).toBe(SHARDS);
  });

  it('accepts, judges and runs over all masters with replicas acknowledging', async () => {
    await store.check();
    const events = [...eventOfEach(), ...eventOfEach(), ...eventOfEach(), ...eventOfEach()];
    const accepted = await store.inbox.accept(events);
    expect(accepted).toEqual(events.map(({ id }) => ({ outcome: 'accepted', id })));
    const again = await store.inbox.accept(events.map((each) => deliveredAgain(each)));
    expect(again).toEqual(events.map(({ id }) => ({ outcome: 'duplicate', id })));

    const ran: string[] = [];
    consumeInto(store, ran);
    await vi.waitFor(() => expect(ran).toHaveLength(160), { timeout: PATIENCE_MS });
    await vi.waitFor(async () => expect((await store.jobs.stats()).states.done).toBe(160), { timeout: PATIENCE_MS });
    expect(new Set(ran)).toEqual(new Set(events.map(({ id }) => id)));
    const one = events[0]?.id ?? '';
    expect((await store.events.list(tenants[0] ?? '', { limit: 10 })).events).toHaveLength(4);
    expect((await store.events.get(tenants[0] ?? '', one))?.state).toBe('done');
  });

  it('loses nothing it acknowledged when a master is killed, and serves every tenant again', async () => {
    const ran: string[] = [];
    consumeInto(store, ran);
    const acknowledged: string[] = [];
    const send = async (each: ReturnType<typeof event>) => {
      const [answer] = await vi.waitFor(() => store.inbox.accept([each]), { timeout: PATIENCE_MS, interval: 100 });
      if (answer && answer.outcome !== 'full') acknowledged.push(answer.id);
    };
    await Promise.all(eventOfEach().map(send));
    const [victim, witness] = cluster.nodes;
    await victim?.kill();
    const sending = Promise.all(eventOfEach().map(send));
    const admin = new Redis(witness?.port ?? 0);
    await vi.waitFor(async () => expect(await mastersSeenBy(admin)).not.toContain(victim?.port), {
      timeout: PATIENCE_MS,
    });
    admin.disconnect();
    // Without it the new master would have no replica, and the store would rightly refuse.
    await victim?.restart();
    await sending;
    expect(acknowledged).toHaveLength(80);
    // A run's end may die with the master before a replica has it, and is then run again: what was accepted may not.
    await vi.waitFor(() => expect(new Set(ran)).toEqual(new Set(acknowledged)), { timeout: 60_000 });
  });
});
