import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Store } from '../../src/queue/store.ts';
import { finishHead, headOf, recordOf, takeHead } from '../contracts/harness.ts';
import { sleep } from '../support/clock.ts';
import { conversationOf, createEventMaker, deliveredAgain, runEnding } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores, type TestStores } from '../support/redis-store.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const event = createEventMaker(Date.now);
const done = { kind: 'done', run: runEnding('replied') } as const;

describeRedis('a lost reply', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let stores: TestStores;
  let store: Store;
  beforeEach(async () => {
    server = await startRedis();
    proxy = await startTcpProxy(server.port);
    stores = createTestStores();
    store = await stores.open(`redis://127.0.0.1:${proxy.port}`);
    // Redis knows the scripts from here on, so that the reply lost below is not NOSCRIPT.
    const warm = event();
    await store.inbox.accept([warm]);
    await finishHead(store, conversationOf(warm));
  });
  afterEach(async () => {
    await stores.close();
    await proxy.close();
    await server.stop();
  });

  it('to accept makes one event, accepted; the retry of the sender is a duplicate', async () => {
    const events = Array.from({ length: 20 }, () => event());
    proxy.swallowReplyTo(events[7]?.id ?? '');
    const answers = await Promise.all(events.map((each) => store.inbox.accept([each])));
    expect(proxy.swallowed).toBe(1);
    expect(answers.flat()).toEqual(events.map(({ id }) => ({ outcome: 'accepted', id })));
    for (const each of events) {
      expect(await store.inbox.accept([deliveredAgain(each)])).toEqual([{ outcome: 'duplicate', id: each.id }]);
      await finishHead(store, conversationOf(each));
      expect((await store.lease.take(conversationOf(each))).kind).toBe('empty');
    }
  });

  it('to take gives the same head under the same token, as one attempt', async () => {
    const first = event();
    await store.inbox.accept([first]);
    proxy.swallowReplyTo(first.conversation.key);
    const { record, lease } = await takeHead(store, conversationOf(first));
    expect(proxy.swallowed).toBe(1);
    expect(record).toMatchObject({ event: { id: first.id }, attempts: 1, runs: [{ outcome: 'running' }] });
    expect(await store.lease.extend(lease)).toBe(true);
    expect(await store.lease.finish(lease, done, false)).toEqual({ kind: 'empty' });
  });

  it('to finish gives the next head once', async () => {
    const first = event();
    const next = event({ conversation: first.conversation });
    await store.inbox.accept([first, next]);
    const { lease } = await takeHead(store, conversationOf(first));
    proxy.swallowReplyTo(first.id);
    const following = headOf(await store.lease.finish(lease, done, true));
    expect(proxy.swallowed).toBe(1);
    expect(following.record).toMatchObject({ event: { id: next.id }, attempts: 1 });
    expect((await recordOf(store, first)).state).toBe('done');
    expect(await store.lease.finish(following.lease, done, true)).toEqual({ kind: 'empty' });
  });

  it('to a journal entry leaves one entry and the lease', async () => {
    const first = event();
    await store.inbox.accept([first]);
    const { lease } = await takeHead(store, conversationOf(first));
    await store.journal.record(lease, 'warm', { kind: 'intent', value: null }, 0);
    proxy.swallowReplyTo('reply-step');
    expect(await store.journal.record(lease, 'reply-step', { kind: 'intent', value: 1 }, 0)).toBe(true);
    expect(proxy.swallowed).toBe(1);
    expect([...(await store.journal.replay(lease)).keys()]).toEqual(['warm', 'reply-step']);
  });

  it('to a named lease leaves it with the one who asked', async () => {
    proxy.swallowReplyTo('lock:keeper');
    const held = await store.lease.acquire('keeper', 60_000);
    expect(proxy.swallowed).toBe(1);
    expect(await held?.renew()).toBe(true);
    expect(await store.lease.acquire('keeper', 60_000)).toBeNull();
  });

  it('to an approval is still an approval, and of anybody else it is none', async () => {
    const hold = async () => {
      const first = event();
      await store.inbox.accept([first]);
      const { lease } = await takeHead(store, conversationOf(first));
      const at = { heldAt: Date.now(), expiresAt: Date.now() + 60_000 };
      const review = { ...at, text: 'hi', digest: 'seen', version: 1, generation: 1, requester: first.author };
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
      return first;
    };
    const approve = { kind: 'approve', by: 'ada', at: Date.now() } as const;
    await store.reviews.decide('acme', (await hold()).id, 'seen', approve);
    const first = await hold();
    // Not the reply to the record that is read before.
    proxy.swallowReplyTo(`${first.conversation.key}\r\n`);
    expect((await store.reviews.decide('acme', first.id, 'seen', approve)).kind).toBe('ok');
    expect(proxy.swallowed).toBe(1);
    expect((await store.reviews.decide('acme', first.id, 'seen', approve)).kind).toBe('wrong_state');
    await finishHead(store, conversationOf(first));
    expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
  });

  it.each([0, 1])('that never comes ends one connection and not its successors (%i replicas)', async (minReplicas) => {
    const strict = await stores.open(`redis://127.0.0.1:${proxy.port}`, { minReplicas });
    const first = event();
    proxy.silenceAfter(first.id);
    await expect(strict.inbox.accept([first])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    // Longer than two connections live on which nothing is answered.
    await sleep(5_000);
    expect(proxy.silenced).toBe(1);
    const later = minReplicas === 0 ? 'resolves' : 'rejects';
    const answer = minReplicas === 0 ? [{ outcome: 'duplicate' }] : { code: 'ERR_REPLICAS_MISSING' };
    proxy.silenceAfter('nothing that is sent');
    await expect(strict.inbox.accept([deliveredAgain(first)]))[later].toMatchObject(answer);
  });

  it('is survived together with SCRIPT FLUSH: everything is accepted once', async () => {
    const admin = new Redis(server.port);
    await admin.script('FLUSH');
    admin.disconnect();
    const events = Array.from({ length: 20 }, () => event());
    const answers = await Promise.all(events.map((each) => store.inbox.accept([each])));
    expect(answers.flat()).toEqual(events.map(({ id }) => ({ outcome: 'accepted', id })));
    expect((await store.events.list('acme', { state: 'queued', limit: 100 })).events).toHaveLength(20);
    for (const each of events) expect((await takeHead(store, conversationOf(each))).record.attempts).toBe(1);
  });
});
