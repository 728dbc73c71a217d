import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.ts';
import { openConnections } from '../../src/queue/redis/client/connection.ts';
import { defaultRelayTuning } from '../../src/queue/redis/client/options.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import type { Executor, Wake } from '../../src/queue/redis/relay/executor.ts';
import { createRelayStep } from '../../src/queue/redis/relay/relay.ts';
import { createAgreement, createKeys, createShards } from '../../src/queue/redis/shards.ts';
import { defaultLimits } from '../../src/queue/store.ts';
import { createFakeClock } from '../support/clock.ts';
import { conversationOf, createEventMaker } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';

const CLAIM_MS = 15_000;
const REWAKE_MS = 3_600_000;

/** A wake may be late, by a claim's life; it may not wait for the sweep of wakes that BullMQ lost. */
describeRedis('the relay', () => {
  let server: RedisServer;
  const closing: (() => void | Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** One accepted event, and relays of processes whose executor does as it is told. */
  async function open() {
    const clock = createFakeClock();
    const limits = { ...defaultLimits, rewakeMs: REWAKE_MS };
    const common = { url: server.url, prefix: randomUUID(), shards: 1, idCheck: 'check', clock: clock.now };
    const store = await openRedisStore({
      ...common,
      ...{ minReplicas: 0, allowUnsafe: false, limits, logger: silentLogger },
    });
    const event = createEventMaker(clock.now)();
    await store.inbox.accept([event]);
    const connections = openConnections(server.url, silentLogger);
    closing.push(() => connections.close(), store.close);
    const keys = createKeys(common.prefix, 1);
    const agreement = createAgreement(connections.patient(), keys.meta, 1, 'check');
    const shards = createShards({ client: connections.patient(), keys, agreement, clock: clock.now });
    const [tag = ''] = keys.tags;

    const got: Wake[] = [];
    const relay = (add: (wakes: readonly Wake[]) => Promise<void>, isReplicated = true) => {
      const replicated = async (wakes: readonly Wake[]) => {
        await add(wakes);
        return isReplicated;
      };
      const executor: Executor = { add: replicated, waiting: async () => 0, idle: () => 4, close: async () => {} };
      const tuning = { ...defaultRelayTuning, claimMs: CLAIM_MS };
      const step = createRelayStep({ shards, executor, concurrency: 4, limits, tuning });
      return { move: () => step.move(tag), confirm: () => step.confirm() };
    };
    const take = async (wakes: readonly Wake[]): Promise<void> => void got.push(...wakes);
    return { clock, event, got, relay, take };
  }

  it('gives a wake again, soon, that BullMQ did not take', async () => {
    const { clock, event, got, relay, take } = await open();
    let isAway = true;
    const { move } = relay(async (wakes) => {
      if (isAway) throw new Error('BullMQ is away');
      await take(wakes);
    });
    await expect(move()).rejects.toThrow('BullMQ is away');
    isAway = false;
    // The loop goes on after a pause. Whatever this step confirms, the wake is not among it.
    clock.advance(500);
    await move();
    clock.advance(CLAIM_MS);
    await move();
    expect(got.map(({ conversation }) => conversation)).toEqual([conversationOf(event)]);
  });

  it('does not confirm on its way out what BullMQ did not take', async () => {
    const { clock, event, got, relay, take } = await open();
    const dying = relay(() => Promise.reject(new Error('BullMQ is away')));
    await expect(dying.move()).rejects.toThrow();
    await dying.confirm();
    clock.advance(CLAIM_MS);
    await relay(take).move();
    expect(got.map(({ conversation }) => conversation)).toEqual([conversationOf(event)]);
  });

  it('tells the shard nothing before BullMQ has it: a process that dies while it hands over loses no wake', async () => {
    const { clock, event, got, relay, take } = await open();
    const other = relay(take);
    const dying = relay(async () => {
      // Amid the handing over, whatever was told already stays told.
      clock.advance(CLAIM_MS);
      await other.move();
      throw new Error('killed');
    });
    await expect(dying.move()).rejects.toThrow('killed');
    expect(got.map(({ conversation }) => conversation)).toEqual([conversationOf(event)]);
  });

  it('confirms what BullMQ has, so that it is not handed over twice', async () => {
    const { clock, got, relay, take } = await open();
    const { move } = relay(take);
    await move();
    await move();
    clock.advance(CLAIM_MS);
    await move();
    expect(got).toHaveLength(1);
    clock.advance(REWAKE_MS);
    await move();
    expect(got).toHaveLength(2);
  });

  it('gives a wake again, soon, that only the master of BullMQ has, unless it was taken', async () => {
    const { clock, got, relay, take } = await open();
    const { move } = relay(take, false);
    await move();
    await move();
    clock.advance(CLAIM_MS);
    await move();
    expect(got).toHaveLength(2);
  });
});
