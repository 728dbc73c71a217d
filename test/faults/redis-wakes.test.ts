import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { noUsage } from '../../src/core/event.ts';
import { runScript, scripts } from '../../src/queue/redis/scripts.ts';
import { createKeys } from '../../src/queue/redis/shards.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS, sleep } from '../support/clock.ts';
import { createEventMaker } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';

const event = createEventMaker(Date.now);
const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 50 });

describeRedis('wakes', () => {
  let server: RedisServer;
  let stores: TestStores;
  let store: Store;
  let admin: Redis;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.port, { maxRetriesPerRequest: null });
  });
  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    stores = createTestStores();
    store = await stores.open(server.url, {}, { rewakeMs: 300, leaseMs: 1_000 });
  });
  afterEach(() => stores.close());

  const acceptMany = async (count: number, tenant = 'acme') => {
    const events = Array.from({ length: count }, () => event({ tenant }));
    await store.inbox.accept(events);
    return events.map(({ id }) => id);
  };

  it('that an operator drains, cleans or obliterates again and again are late and not lost, and no event runs twice', async () => {
    const ids = await acceptMany(60);
    const ran: string[] = [];
    consumeInto(store, ran, { concurrency: 2, onRun: () => sleep(5) });
    const queue = new Queue('wakes', { connection: admin, prefix: `{${stores.prefix}:q}` });
    for (let round = 0; round < 4; round += 1) {
      await queue.drain();
      await queue.clean(0, 1_000, 'wait');
      await queue.obliterate({ force: true });
      await queue.resume();
      await sleep(20);
    }
    await eventually(() => expect(new Set(ran)).toEqual(new Set(ids)));
    await queue.close();
    expect(ran).toHaveLength(60);
  });

  it('ring for a relay that would otherwise sleep on', async () => {
    const sleepy = await stores.open(server.url, { relay: { idleMs: 600_000 } });
    const ran: string[] = [];
    consumeInto(sleepy, ran);
    await eventually(async () => expect(await admin.client('LIST')).toContain('cmd=blpop'));
    await sleep(500);
    for (let round = 1; round <= 3; round += 1) {
      await acceptMany(3);
      await eventually(() => expect(ran).toHaveLength(3 * round));
    }
  });

  it('that a relay claimed before it died are claimed again', async () => {
    const ids = await acceptMany(5);
    const claimed = await runScript(admin, scripts.claim, `{${stores.prefix}:0}`, [0, 200, 100, 100, 300, 0]);
    expect(claimed).toHaveLength(3 + 5 * 3);
    const ran: string[] = [];
    consumeInto(store, ran);
    await eventually(() => expect([...ran].sort()).toEqual([...ids].sort()));
  });

  it('of a quiet tenant pass a backlog of 4,000 events of a busy one', async () => {
    for (let i = 0; i < 8; i += 1) await acceptMany(500, 'busy');
    const quiet: string[] = [];
    const ran: string[] = [];
    let isAsked = false;
    consumeInto(store, ran, {
      concurrency: 32,
      onRun: async () => {
        if (ran.length >= 200 && !isAsked) {
          isAsked = true;
          quiet.push(...(await acceptMany(5, 'quiet')));
        }
        await sleep(5);
      },
    });
    await eventually(() => expect(ran).toHaveLength(4_005));
    const last = Math.max(...quiet.map((id) => ran.indexOf(id)));
    expect(quiet).toHaveLength(5);
    // 16 may wait in BullMQ and 32 run when they come; the rest is room for a slow machine.
    expect(last).toBeLessThan(500);
  });

  it('never fill BullMQ with more than half as many as may run, so that a quiet tenant stands behind few', async () => {
    await acceptMany(100, 'busy');
    const ran: string[] = [];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    consumeInto(store, ran, { concurrency: 8, onRun: () => gate });
    const queue = new Queue('wakes', { connection: admin, prefix: `{${stores.prefix}:q}` });
    await eventually(async () => {
      expect(await queue.getActiveCount()).toBe(8);
      expect(await queue.getWaitingCount()).toBe(4);
    });
    // The relay looks again after its longest sleep, a second.
    await sleep(1_500);
    expect(await queue.getWaitingCount()).toBe(4);
    open();
    await eventually(() => expect(ran).toHaveLength(100));
    await queue.close();
  });

  it('that are due in one shard come while another shard rings all the time', async () => {
    const sharded = createTestStores();
    const two = await sharded.open(server.url, { shards: 2 });
    const { tagOf } = createKeys('any', 2);
    const tenants = Array.from({ length: 20 }, (_, n) => `tenant-${n}`);
    const busy = 'busy';
    const other = tenants.find((tenant) => tagOf(tenant) !== tagOf(busy)) ?? '';
    let attempts = 0;
    two.jobs.consume({
      concurrency: 4,
      run: async (conversation) => {
        const taken = await two.lease.take(conversation);
        if (taken.kind !== 'head') return;
        const run = { startedAt: Date.now(), finishedAt: Date.now(), outcome: 'silent', usage: noUsage } as const;
        const isRetried = conversation.tenant === other && attempts++ === 0;
        const retry = { kind: 'retry', run, code: 'ERR_REPLY_UNAVAILABLE', delayMs: 300 } as const;
        if (conversation.tenant === busy && attempts < 2) await two.inbox.accept([event({ tenant: busy })]);
        await two.lease.finish(taken.lease, isRetried ? retry : { kind: 'done', run }, false);
      },
    });
    for (let n = 0; n < 20; n += 1) await two.inbox.accept([event({ tenant: busy })]);
    await two.inbox.accept([event({ tenant: other })]);
    await eventually(() => expect(attempts).toBe(2));
    await sharded.close();
  });
});
