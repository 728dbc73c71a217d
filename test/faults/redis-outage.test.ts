import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS, sleep } from '../support/clock.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { consumeInto, createTestStores, type TestStores } from '../support/redis-store.ts';

const event = createEventMaker(Date.now);
const unavailable = { code: 'ERR_STORE_UNAVAILABLE' };
const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 50 });

/** Outcomes by kind; a promise that is still open after 5 s counts as hanging. */
async function settle(attempts: readonly Promise<unknown>[]): Promise<string[]> {
  const hanging = sleep(5_000).then(() => 'hanging');
  return Promise.all(
    attempts.map((attempt) =>
      Promise.race([
        attempt.then(
          () => 'resolved',
          (error: { code?: string }) => error.code ?? 'unknown',
        ),
        hanging,
      ]),
    ),
  );
}

const acceptUntilAnswered = (store: Store, each: InboundEvent) =>
  vi.waitFor(() => store.inbox.accept([each]), { timeout: PATIENCE_MS, interval: 20 });

describeRedis('a Redis outage', () => {
  let server: RedisServer;
  let stores: TestStores;
  beforeEach(async () => {
    server = await startRedis();
    stores = createTestStores();
  });
  afterEach(async () => {
    server.resume();
    await stores.close();
    await server.stop();
  });

  it('rejects while Redis hangs, and what it did in secret is a duplicate afterwards and runs once', async () => {
    const store = await stores.open(server.url);
    // Redis knows the script then, and what is sent while it hangs is executed afterwards.
    await store.inbox.accept([event()]);
    const events = Array.from({ length: 50 }, () => event());
    server.pause();
    const outcomes = await settle(events.map((each) => store.inbox.accept([each])));
    expect(new Set(outcomes)).toEqual(new Set([unavailable.code]));
    // The breaker is open now: nothing is sent that would wait for a timeout of its own and happen in secret.
    const unsent = event();
    expect(await settle([store.inbox.accept([unsent])])).toEqual([unavailable.code]);

    server.resume();
    const [answer] = await acceptUntilAnswered(store, deliveredAgain(unsent));
    expect(answer?.outcome).toBe('accepted');
    const retries = events.map((each) => deliveredAgain(each));
    for (const retry of retries) {
      expect(await acceptUntilAnswered(store, retry)).toMatchObject([{ outcome: 'duplicate' }]);
    }
    const ran: string[] = [];
    consumeInto(store, ran);
    await eventually(() => expect(ran).toHaveLength(52));
    await sleep(500);
    expect(new Set(ran).size).toBe(52);
    expect(ran).toHaveLength(52);
  });

  it('opens while Redis is away, rejects, and serves when Redis comes', async () => {
    await server.kill();
    const store = await stores.open(server.url);
    expect(await settle([store.inbox.accept([event()]), store.check(), store.events.get('acme', 'ev_none')])).toEqual(
      Array(3).fill(unavailable.code),
    );
    await server.restart();
    await eventually(() => store.check());
    const late = event();
    expect(await store.inbox.accept([late])).toEqual([{ outcome: 'accepted', id: late.id }]);
  });

  it('keeps what it acknowledged through kill -9, and runs each event once although Redis dies under the workers', async () => {
    // Longer than an outage, shorter than the test: what dies with Redis' connections comes back when these have passed.
    const store = await stores.open(server.url, {}, { leaseMs: 5_000, rewakeMs: 1_000 });
    const ran: string[] = [];
    consumeInto(store, ran, { onRun: () => sleep(5) });
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const events = Array.from({ length: 100 }, () => event());
      const answers = Promise.all(events.map((each) => acceptUntilAnswered(store, each)));
      await sleep(30);
      await server.kill();
      await server.restart();
      for (const [answer] of await answers) if (answer && 'id' in answer) acknowledged.push(answer.id);
    }
    expect(acknowledged).toHaveLength(300);
    await eventually(() => expect(new Set(ran)).toEqual(new Set(acknowledged)));
    await sleep(500);
    expect(ran).toHaveLength(300);
  });

  it('closes while Redis is away', async () => {
    const store = await stores.open(server.url);
    consumeInto(store, []);
    await store.inbox.accept([event()]);
    await server.kill();
    expect(await settle([store.close()])).toEqual(['resolved']);
  });

  it('closes while Redis hangs', async () => {
    const store = await stores.open(server.url);
    consumeInto(store, []);
    await store.inbox.accept([event()]);
    server.pause();
    expect(await settle([store.close()])).toEqual(['resolved']);
  });
});
