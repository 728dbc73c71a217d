import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { HeldLease } from '../../src/queue/lease.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS, sleep } from '../support/clock.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';

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

  it('records no intent that only the master has, and may record it again once the replica is back', async () => {
    const first = event();
    await store.inbox.accept([first]);
    const taken = await store.lease.take({ tenant: first.tenant, key: first.conversation.key });
    if (taken.kind !== 'head') throw new Error(`the event is ${taken.kind}`);
    const record = (kind: 'intent' | 'refused') =>
      store.journal.record(taken.lease, 'reply', { kind, value: { text: 'hello' } }, 0);
    replica.pause();
    await expect(record('intent')).rejects.toMatchObject(missing);
    // Nothing was posted; that may be lost with the master.
    expect(await record('refused')).toBe(true);
    replica.resume();
    await vi.waitFor(async () => expect(await record('intent')).toBe(true), { timeout: PATIENCE_MS });
  });

  it('answers each of many intents while no replica does, and says what failed', async () => {
    const kinds: string[] = [];
    const counting = await stores.open(master.url, { minReplicas: 1, onFailure: (kind) => kinds.push(kind) });
    const leases: HeldLease[] = [];
    for (let n = 0; n < 32; n += 1) {
      const one = event();
      await counting.inbox.accept([one]);
      const taken = await counting.lease.take({ tenant: one.tenant, key: one.conversation.key });
      if (taken.kind !== 'head') throw new Error(`the event is ${taken.kind}`);
      leases.push(taken.lease);
    }
    const record = () =>
      Promise.allSettled(
        leases.map((lease) => counting.journal.record(lease, 'reply', { kind: 'intent', value: { text: 'hello' } }, 0)),
      );
    replica.pause();
    const answers = await record();
    // One after the other they would wait longer than a command may take.
    expect(answers.map((one) => (one.status === 'rejected' ? one.reason.code : one.value))).toEqual(
      leases.map(() => 'ERR_REPLICAS_MISSING'),
    );
    expect(kinds).toEqual(leases.map(() => 'noreplicas'));
    await expect(counting.inbox.accept([event()])).rejects.toMatchObject(missing);
    expect(kinds).toHaveLength(leases.length + 1);
    replica.resume();
    await vi.waitFor(
      async () => expect(await record()).toEqual(leases.map(() => ({ status: 'fulfilled', value: true }))),
      { timeout: PATIENCE_MS },
    );
  });

  it('gives a lease that died with its master to nobody else, not even its token', async () => {
    const first = event();
    await store.inbox.accept([first]);
    const conversation = { tenant: first.tenant, key: first.conversation.key };
    // A replica acknowledges what it has in memory. Before it answers a command, it has written that to its file.
    const witness = new Redis(replica.port);
    await witness.ping();
    witness.disconnect();
    await replica.kill();
    const lost = await store.lease.take(conversation);
    await master.kill();
    await replica.restart();
    const admin = new Redis(replica.port);
    await admin.replicaof('NO', 'ONE');
    admin.disconnect();
    const other = await stores.open(replica.url);
    const next = await other.lease.take(conversation);
    if (lost.kind !== 'head' || next.kind !== 'head') throw new Error(`${lost.kind}, ${next.kind}`);
    expect(next.lease.token).not.toBe(lost.lease.token);
  });

  it('soon gives a wake again that BullMQ loses with a master whose replica hangs', async () => {
    const lines = [event(), event(), event()];
    for (const each of lines) await store.inbox.accept([each]);
    replica.pause();
    const worker = await stores.open(
      master.url,
      { minReplicas: 1, relay: { claimMs: 5_000 } },
      { rewakeMs: 3_600_000 },
    );
    const ran: string[] = [];
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    consumeInto(worker, ran, { concurrency: 1, onRun: () => released });
    const admin = new Redis(master.port);
    const waiting = `{${stores.prefix}:q}:wakes:wait`;
    await vi.waitFor(async () => expect(await admin.llen(waiting)).toBeGreaterThan(0), { timeout: PATIENCE_MS });
    // By now the relay has had the time to tell the shard what BullMQ has.
    await sleep(2_500);
    await admin.del(waiting);
    admin.disconnect();
    release();
    await vi.waitFor(() => expect(new Set(ran).size).toBeGreaterThanOrEqual(lines.length), { timeout: PATIENCE_MS });
  });

  it('refuses when more replicas are demanded than there are', async () => {
    const strict = await stores.open(master.url, { minReplicas: 2 });
    await expect(strict.inbox.accept([event()])).rejects.toMatchObject(missing);
  });
});
