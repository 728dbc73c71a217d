import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { createKeys } from '../../src/queue/redis/shards.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS, sleep } from '../support/clock.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisServers, startRedisCluster } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const SHARDS = 8;
const event = createEventMaker(Date.now);
const tenants = Array.from({ length: 40 }, (_, i) => `tenant-${i}`);

async function mastersSeenBy(admin: Redis): Promise<number[]> {
  const slots = await admin.cluster('SLOTS');
  return slots.map(([, , master]) => Number(master?.[1]));
}

describeRedis('Redis Cluster', () => {
  let cluster: RedisServers;
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
      if (answer && 'id' in answer) acknowledged.push(answer.id);
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

  it('lets a worker wait while no node has its shard, instead of failing its run', async () => {
    const heads = await Promise.all(
      eventOfEach().map(async (each) => {
        await vi.waitFor(() => store.inbox.accept([each]), { timeout: PATIENCE_MS, interval: 100 });
        const taken = await store.lease.take({ tenant: each.tenant, key: each.conversation.key });
        if (taken.kind !== 'head') throw new Error(`the answer is ${taken.kind}`);
        return taken.lease;
      }),
    );
    // The files of the nodes are synced every second.
    await sleep(2_000);
    const admin = new Redis(cluster.nodes[0]?.port ?? 0);
    const [, , ...holders] = (await admin.cluster('SLOTS'))[0] ?? [];
    admin.disconnect();
    const victims = cluster.nodes.filter(({ port }) => holders.some(([, holder]) => Number(holder) === port));
    expect(victims).toHaveLength(2);
    await Promise.all(victims.map((victim) => victim.kill()));
    // Ends of runs, leases and intents of replies come in while a failover lasts, which takes 3 to 5 s.
    const extended = Promise.allSettled(heads.map((lease) => store.lease.extend(lease)));
    await sleep(5_000);
    await Promise.all(victims.map((victim) => victim.restart()));
    expect(await extended).toEqual(heads.map(() => ({ status: 'fulfilled', value: true })));
  });
});

/** Nodes that announce a proxy, so that clients reach them through it alone. */
async function behindProxies({ nodes }: RedisServers): Promise<TcpProxy[]> {
  const proxies = await Promise.all(nodes.map(({ port }) => startTcpProxy(port)));
  const admins = nodes.map(({ port }) => new Redis(port));
  await Promise.all(admins.map((admin, at) => admin.config('SET', 'cluster-announce-port', String(proxies[at]?.port))));
  const announced = new Set(proxies.map(({ port }) => port));
  for (const admin of admins) {
    const masters = () => mastersSeenBy(admin);
    await vi.waitFor(async () => expect((await masters()).every((port) => announced.has(port))).toBe(true), {
      timeout: 20_000,
    });
    admin.disconnect();
  }
  return proxies;
}

describeRedis('Redis Cluster whose connections die without ending', () => {
  let cluster: RedisServers;
  let proxies: TcpProxy[];
  let stores: TestStores;
  beforeEach(async () => {
    cluster = await startRedisCluster();
    proxies = await behindProxies(cluster);
    stores = createTestStores();
  }, 60_000);
  afterEach(async () => {
    await stores.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await cluster.stop();
  });

  it.each([
    ['a firewall forgot all of them', () => proxies.reduce((sum, proxy) => sum + proxy.hold(), 0)],
    ['a master froze', () => cluster.nodes[0]?.pause()],
  ])(
    'accepts for every tenant within 10 s again after %s, and within 15 s each event has run once',
    async (_, kill) => {
      const url = proxies.map(({ port }) => `redis://127.0.0.1:${port}`).join(',');
      const store = await stores.open(url, { shards: SHARDS });
      const ran: string[] = [];
      consumeInto(store, ran);
      const accept = (each: ReturnType<typeof event>) =>
        vi.waitFor(() => store.inbox.accept([each]), { timeout: 30_000, interval: 50 });
      const eventOfEach = () => tenants.map((tenant) => event({ tenant }));
      const before = eventOfEach();
      await Promise.all(before.map(accept));
      await vi.waitFor(() => expect(ran).toHaveLength(40), { timeout: 20_000 });
      const diedAt = performance.now();
      kill();
      const after = eventOfEach();
      await Promise.all(after.map(accept));
      const acceptedMs = performance.now() - diedAt;
      await vi.waitFor(() => expect(ran).toHaveLength(80), { timeout: 30_000, interval: 20 });
      const finishedMs = performance.now() - diedAt;
      if (process.env.MEASURE) console.info(`MEASURED ${Math.round(acceptedMs)} ${Math.round(finishedMs)}`);
      expect([...ran].sort()).toEqual([...before, ...after].map(({ id }) => id).sort());
      expect(acceptedMs).toBeLessThan(10_000);
      expect(finishedMs).toBeLessThan(15_000);
    },
    120_000,
  );

  it('runs what it accepted after a time without a majority of its masters', async () => {
    const store = await stores.open(cluster.url, { shards: SHARDS });
    const ran: string[] = [];
    consumeInto(store, ran);
    const accept = (each: ReturnType<typeof event>) =>
      vi.waitFor(() => store.inbox.accept([each]), { timeout: 30_000, interval: 50 });
    await accept(event());
    await vi.waitFor(() => expect(ran).toHaveLength(1), { timeout: 20_000 });
    const frozen = cluster.nodes.slice(0, 2);
    for (const node of frozen) node.pause();
    const witness = new Redis(cluster.nodes[2]?.port ?? 0);
    await vi.waitFor(async () => expect(String(await witness.cluster('INFO'))).toContain('cluster_state:fail'), {
      timeout: 20_000,
    });
    witness.disconnect();
    // By then every connection of the worker has been replaced, or is being replaced.
    await sleep(6_000);
    for (const node of frozen) node.resume();
    const events = tenants.map((tenant) => event({ tenant }));
    await Promise.all(events.map(accept));
    await vi.waitFor(() => expect(ran).toHaveLength(41), { timeout: 30_000 });
    expect(new Set(ran).size).toBe(41);
  }, 120_000);
});
