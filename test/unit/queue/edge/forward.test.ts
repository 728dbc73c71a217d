import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import type { InboundEvent } from '../../../../src/core/event.ts';
import { createRelayKeys, relayEpochStart, signRelayAnswer } from '../../../../src/core/relay.ts';
import { createShard, type Shard, type ShardOptions } from '../../../../src/queue/edge/shard.ts';
import { defaultShardLimits } from '../../../../src/queue/edge/shard-store.ts';
import { createFakeClock } from '../../../support/clock.ts';
import {
  accepts,
  createScriptedOrigin,
  fails,
  type Reply,
  relayKeys,
  resultsFor,
  type Script,
} from '../../../support/edge-origin.ts';
import { entryOf, SHARD, TENANT } from '../../../support/edge-shard.ts';
import { openSqlFile } from '../../../support/edge-sql.ts';
import { conversationNamed, createEventMaker, deliveredAgain } from '../../../support/events.ts';
import { testFolder } from '../../../support/folder.ts';

/** A shard whose alarm rings when the test says so. */
async function openForwarding(overrides: Partial<ShardOptions> = {}) {
  const clock = createFakeClock();
  const origin = createScriptedOrigin(clock.now);
  const path = join(await testFolder(), 'shard.db');
  const errors: unknown[] = [];
  let alarmAt: number | null = null;
  let alarmsSet = 0;
  let sql = openSqlFile(path);
  onTestFinished(() => sql.close());
  const open = (): Shard =>
    createShard({
      sql,
      clock: clock.now,
      crypto: nodeCrypto,
      keys: relayKeys,
      random: () => 0.5,
      post: origin.post,
      setAlarm: (at) => {
        alarmAt = at;
        alarmsSet += 1;
      },
      alarmAt,
      report: (error) => errors.push(error),
      limits: defaultShardLimits,
      ...overrides,
    });
  let shard = open();
  const forwarding = {
    clock,
    origin,
    errors,
    event: createEventMaker(clock.now),
    accept: (...events: readonly InboundEvent[]) => shard.accept(TENANT, SHARD, events.map(entryOf)),
    status: () => shard.status(),
    listParked: () => shard.listParked(100).map(({ id, reason }) => ({ id, reason })),
    resend: (id: string) => shard.resend(id),
    /** How long until the alarm rings; null when none is set. */
    alarmIn: () => (alarmAt === null ? null : alarmAt - clock.now()),
    alarmsSet: () => alarmsSet,
    /** Moves on to the time of the alarm and runs it. */
    async ring(): Promise<void> {
      if (alarmAt === null) throw new Error('no alarm is set');
      clock.advance(Math.max(0, alarmAt - clock.now()));
      alarmAt = null;
      await shard.alarm();
    },
    runUnasked: () => shard.alarm(),
    /** Rings until nothing waits any more, at most so often. */
    async ringUntilEmpty(most = 60): Promise<void> {
      for (let n = 0; n < most && shard.status().waiting.events > 0; n += 1) await forwarding.ring();
    },
    metaNames: () => sql.all<{ name: string }>('SELECT name FROM meta').map(({ name }) => name),
    crash(isAlarmLost = false): void {
      sql.close();
      sql = openSqlFile(path);
      if (isAlarmLost) alarmAt = null;
      shard = open();
    },
    /** Ids of the batches, in order. */
    sent: () => origin.batches.map(({ events }) => events.map(({ event }) => event.id)),
  };
  return forwarding;
}

const idsOf = (events: readonly InboundEvent[]): string[] => events.map(({ id }) => id);

describe('while the origin takes everything', () => {
  test('one alarm forwards what waits, in order, and none is left', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 250 }, () => shard.event());
    shard.accept(...events.slice(0, 120));
    shard.accept(...events.slice(120));
    expect([shard.alarmIn(), shard.alarmsSet()]).toEqual([0, 1]);
    await shard.ring();
    expect(shard.sent()).toEqual([
      idsOf(events.slice(0, 100)),
      idsOf(events.slice(100, 200)),
      idsOf(events.slice(200)),
    ]);
    expect(shard.origin.batches.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, blocked: null });
    expect(shard.alarmIn()).toBeNull();
  });

  test('an event arrives as it was accepted, with its time and the number of its deliveries', async () => {
    const shard = await openForwarding();
    const event = shard.event({ text: 'naïve 漢字 "\u0000"', windowMs: 1_000 });
    shard.accept(event, deliveredAgain(event));
    const acceptedAt = shard.clock.now();
    shard.clock.advance(70);
    await shard.ring();
    expect(shard.origin.batches).toEqual([
      {
        v: 1,
        tenant: TENANT,
        shard: SHARD,
        epoch: expect.stringMatching(/^[0-9a-z]{8}-[\w-]{8}$/),
        attempt: 1,
        events: [{ acceptedAt, deliveries: 2, event }],
      },
    ]);
  });

  test('a batch stays under a megabyte unless it holds one event', async () => {
    const shard = await openForwarding();
    const events = [300, 300, 300, 300, 2_000, 10].map((kb) => shard.event({ text: 'x'.repeat(kb * 1_000) }));
    shard.accept(...events);
    await shard.ring();
    const [a, b, c, d, large, small] = idsOf(events);
    expect(shard.sent()).toEqual([[a, b, c], [d], [large], [small]]);
    for (const batch of shard.origin.batches) {
      if (batch.events.length > 1) expect(JSON.stringify(batch).length).toBeLessThan(1_000_000);
    }
  });

  test('what is accepted while a batch is under way is forwarded by the same run, and needs no alarm', async () => {
    const shard = await openForwarding();
    const [first, second] = [shard.event(), shard.event()];
    shard.origin.says((batch) => {
      if (batch.attempt === 1) shard.accept(second);
      return accepts(batch);
    });
    shard.accept(first);
    await shard.ring();
    expect(shard.sent()).toEqual([[first.id], [second.id]]);
    expect(shard.alarmsSet()).toBe(1);
  });

  test('a second run beside the first one sends nothing', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    await Promise.all([shard.ring(), shard.runUnasked(), shard.runUnasked()]);
    expect(shard.sent()).toHaveLength(1);
  });

  test('a run ends after 30 s and another alarm follows at once', async () => {
    const shard = await openForwarding();
    shard.accept(...Array.from({ length: 500 }, () => shard.event()));
    shard.origin.says((batch) => {
      shard.clock.advance(11_000);
      return accepts(batch);
    });
    await shard.ring();
    expect(shard.sent()).toHaveLength(3);
    expect(shard.alarmIn()).toBe(0);
    await shard.ring();
    expect(shard.status().waiting.events).toBe(0);
  });
});

describe('answers', () => {
  test.each(['accepted', 'duplicate', 'conflict', 'ignored'] as const)('%s removes the row', async (outcome) => {
    const shard = await openForwarding();
    shard.origin.says((batch) => ({ status: 200, body: { v: 1, results: resultsFor(batch, () => outcome) } }));
    shard.accept(shard.event());
    await shard.ring();
    expect(shard.status().waiting.events).toBe(0);
    expect(shard.listParked()).toEqual([]);
  });

  test('rejected parks that row alone, with its reason, and the others pass', async () => {
    const shard = await openForwarding();
    const [first, bad, unreadable, last] = Array.from({ length: 4 }, () => shard.event());
    shard.origin.says((batch) => ({
      status: 200,
      body: {
        v: 1,
        results: batch.events.map(({ event: { id } }) => {
          if (id === bad?.id) return { id, outcome: 'rejected', reason: 'channel_unconfigured' };
          if (id === unreadable?.id) return { id: '', outcome: 'rejected', reason: 'Not a <label>' };
          return { id, outcome: 'accepted' };
        }),
      },
    }));
    shard.accept(...[first, bad, unreadable, last].filter((one) => one !== undefined));
    await shard.ring();
    expect(shard.listParked()).toEqual([
      { id: bad?.id, reason: 'channel_unconfigured' },
      { id: unreadable?.id, reason: 'rejected' },
    ]);
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, parked: { events: 2 }, blocked: null });
    shard.origin.says(accepts);
    expect(shard.resend(bad?.id ?? '')).toBe(true);
    expect(shard.alarmIn()).toBe(0);
    await shard.ring();
    expect(shard.sent().at(-1)).toEqual([bad?.id]);
  });

  test('full keeps the rows and waits as long as the origin says', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 3 }, () => shard.event());
    shard.origin.says((batch) => ({
      status: 200,
      retryAfter: '40',
      body: { v: 1, results: resultsFor(batch, (id) => (id === events[0]?.id ? 'accepted' : 'full')) },
    }));
    shard.accept(...events);
    await shard.ring();
    expect(shard.status()).toMatchObject({ waiting: { events: 2 }, blocked: { reason: 'full' } });
    expect(shard.alarmIn()).toBe(40_000);
    // New rows do not bring the alarm forward.
    shard.accept(shard.event());
    expect(shard.alarmIn()).toBe(40_000);
    await shard.runUnasked();
    expect(shard.sent()).toHaveLength(1);
  });

  test('an outcome that this release does not know keeps the row', async () => {
    const shard = await openForwarding();
    shard.origin.says((batch) => ({
      status: 200,
      body: { v: 1, results: batch.events.map(({ event: { id } }) => ({ id, outcome: 'postponed' })) },
    }));
    shard.accept(shard.event());
    await shard.ring();
    expect(shard.status().waiting.events).toBe(1);
  });

  test.each<[string, unknown]>([
    ['text', 'accepted'],
    ['null', null],
    ['too few results', { v: 1, results: [] }],
    ['results of other events', { v: 1, results: [{ id: 'ev_1', outcome: 'accepted' }] }],
    ['a removal without an id', { v: 1, results: [{ id: '', outcome: 'accepted' }] }],
    ['results that are not objects', { v: 1, results: [null] }],
  ])('a signed answer with %s removes nothing', async (_, body) => {
    const shard = await openForwarding();
    shard.origin.says(() => ({ status: 200, body }));
    shard.accept(shard.event());
    await shard.ring();
    expect(shard.status()).toMatchObject({ waiting: { events: 1 }, blocked: { reason: 'unreadable' } });
  });

  test.each<[string, Reply, string]>([
    ['a 200 without a signature', { status: 200, body: '', signature: null }, 'unproven'],
    ['a 200 of another key', { status: 200, body: '', signature: `v1,${'A'.repeat(43)}` }, 'unproven'],
    ['a 404 without a signature', { status: 404, body: '', signature: null }, 'unproven'],
    ['a 413 without a signature', { status: 413, body: '', signature: null }, 'unproven'],
    ['a redirect', { status: 302, body: '', signature: null }, 'unproven'],
    ['a signed redirect', { status: 302, body: '' }, 'unproven'],
    ['a 400', { status: 400, body: '' }, 'status_400'],
    ['a 401', { status: 401, body: '', signature: null }, 'status_401'],
    ['a 404', { status: 404, body: '' }, 'status_404'],
    ['a 409', { status: 409, body: '' }, 'status_409'],
    ['a 422', { status: 422, body: '' }, 'status_4xx'],
    ['a 429', { status: 429, body: '' }, 'status_4xx'],
    ['a 500', { status: 500, body: '' }, 'unavailable'],
    ['a 502 of a proxy', { status: 502, body: '<html>', signature: null }, 'unavailable'],
    ['a 503', { status: 503, body: '' }, 'unavailable'],
  ])('%s holds the whole shard and parks nothing', async (_, reply, reason) => {
    const shard = await openForwarding();
    const events = Array.from({ length: 30 }, () => shard.event());
    shard.accept(...events);
    shard.origin.says(() => reply);
    for (let n = 0; n < 25; n += 1) await shard.ring();
    expect(shard.status()).toMatchObject({ waiting: { events: 30 }, parked: { events: 0 }, blocked: { reason } });
    shard.origin.says(accepts);
    shard.origin.batches.length = 0;
    await shard.ringUntilEmpty();
    expect(shard.sent().flat()).toEqual(idsOf(events));
    expect(shard.status().blocked).toBeNull();
  });

  test('an impostor that knows the protocol and no key gets the events and loses none of them', async () => {
    const shard = await openForwarding();
    const strangers = createRelayKeys([new Uint8Array(32).fill(1)], nodeCrypto);
    const event = shard.event();
    shard.accept(event);
    for (const signature of [
      null,
      // Of an earlier answer, and of a key of its own.
      signRelayAnswer({ nonce: 'A'.repeat(22), status: 200, body: '{}' }, relayKeys, nodeCrypto),
      signRelayAnswer({ nonce: 'A'.repeat(22), status: 200, body: '{}' }, strangers, nodeCrypto),
    ]) {
      for (const outcome of ['accepted', 'rejected'] as const) {
        shard.origin.says((batch) => ({
          status: 200,
          body: { v: 1, results: resultsFor(batch, () => outcome) },
          signature,
        }));
        await shard.ring();
      }
    }
    expect(shard.status()).toMatchObject({
      waiting: { events: 1 },
      parked: { events: 0 },
      blocked: { reason: 'unproven' },
    });
    shard.origin.says(accepts);
    await shard.ring();
    expect(shard.sent().at(-1)).toEqual([event.id]);
  });

  test('413 halves the batch, and an event that is too large alone is parked', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 8 }, () => shard.event());
    const large = events[5]?.id ?? '';
    shard.origin.says((batch) =>
      batch.events.some(({ event }) => event.id === large) ? { status: 413, body: '' } : accepts(batch),
    );
    shard.accept(...events);
    await shard.ring();
    expect(shard.listParked()).toEqual([{ id: large, reason: 'too_large' }]);
    expect(shard.status().waiting.events).toBe(0);
    expect(shard.sent().map((ids) => ids.length)).toEqual([8, 4, 4, 2, 1, 2, 1, 1, 1]);
  });
});

describe('pauses', () => {
  test('double from 1 s to 15 s, by the injected randomness ±25 %, and begin anew after a success', async () => {
    let chance = 0.5;
    const shard = await openForwarding({ random: () => chance });
    shard.accept(shard.event());
    shard.origin.says(fails(503));
    const pauses: (number | null)[] = [];
    for (let n = 0; n < 6; n += 1) {
      await shard.ring();
      pauses.push(shard.alarmIn());
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    chance = 0;
    await shard.ring();
    expect(shard.alarmIn()).toBe(11_250);
    chance = 0.999_999;
    await shard.ring();
    expect(shard.alarmIn()).toBe(18_750);
    shard.origin.says(accepts);
    await shard.ring();
    shard.accept(shard.event());
    shard.origin.says(fails(503));
    chance = 0.5;
    await shard.ring();
    expect(shard.alarmIn()).toBe(1_000);
  });

  test.each([
    ['30', 30_000],
    ['300', 300_000],
    ['86400', 300_000],
    ['0', 1_000],
    ['soon', 1_000],
    ['-5', 1_000],
  ])('Retry-After: %s is %i ms', async (retryAfter, pause) => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.origin.says(fails(503, { retryAfter }));
    await shard.ring();
    expect(shard.alarmIn()).toBe(pause);
  });

  test('say since when nothing is forwarded', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.origin.says(fails(503));
    await shard.ring();
    const since = shard.clock.now();
    shard.origin.says(fails(400));
    await shard.ring();
    expect(shard.status().blocked).toEqual({ reason: 'status_400', since });
  });
});

describe('an object that is idle for ten seconds, which the runtime then removes from memory', () => {
  test('goes on with its pauses, and still says why and since when nothing is forwarded', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.origin.says(fails(503));
    await shard.ring();
    const since = shard.clock.now();
    const pauses = [shard.alarmIn()];
    for (let n = 0; n < 5; n += 1) {
      shard.crash();
      expect(shard.status().blocked).toEqual({ reason: 'unavailable', since });
      await shard.ring();
      pauses.push(shard.alarmIn());
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    shard.crash();
    shard.accept(shard.event());
    expect(shard.alarmIn()).toBe(15_000);
    shard.origin.says(accepts);
    await shard.ring();
    shard.crash();
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, blocked: null });
  });

  test('finds the event that makes the origin fail', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 40 }, () => shard.event());
    const bad = events[11]?.id ?? '';
    shard.origin.says((batch) => (batch.events.some(({ event }) => event.id === bad) ? 'lost' : accepts(batch)));
    shard.accept(...events);
    for (let n = 0; n < 60 && shard.status().waiting.events > 0; n += 1) {
      if ((shard.alarmIn() ?? 0) >= 10_000) shard.crash();
      await shard.ring();
    }
    expect(shard.listParked()).toEqual([{ id: bad, reason: 'failing' }]);
    expect(shard.status().waiting.events).toBe(0);
  });

  test('stores nothing about its origin while that takes everything', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    await shard.ring();
    expect(shard.metaNames()).not.toContain('forwarding');
    shard.accept(shard.event());
    shard.origin.says(fails(503));
    await shard.ring();
    expect(shard.metaNames()).toContain('forwarding');
  });
});

describe('attempts', () => {
  test('are never used twice, whether the answer is lost or the object restarts', async () => {
    const shard = await openForwarding();
    const event = shard.event();
    shard.accept(event);
    shard.origin.says(() => 'lost');
    await shard.ring();
    expect(shard.status().blocked?.reason).toBe('unreachable');
    await shard.ring();
    shard.crash();
    await shard.ring();
    shard.origin.says(accepts);
    await shard.ring();
    expect(shard.origin.batches.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    expect(new Set(shard.sent().flat())).toEqual(new Set([event.id]));
  });

  /** The origin's rule: a later epoch, or a greater attempt of the same one. */
  function judging(last: { epoch: number; attempt: number }): Script {
    return (batch) => {
      const epoch = relayEpochStart(batch.epoch) ?? 0;
      const isLater = epoch > last.epoch || (epoch === last.epoch && batch.attempt > last.attempt);
      if (!isLater) return { status: 409, body: { v: 1, code: 'ERR_RELAY_REPLAY' } };
      Object.assign(last, { epoch, attempt: batch.attempt });
      return accepts(batch);
    };
  }

  test('go on after a 409 in a later epoch, as when storage was restored to an earlier time', async () => {
    const shard = await openForwarding();
    const event = shard.event();
    shard.accept(event);
    shard.origin.says(judging({ epoch: shard.clock.now(), attempt: 1_000_000 }));
    await shard.ring();
    expect(shard.status()).toMatchObject({ waiting: { events: 1 }, blocked: { reason: 'status_409' } });
    await shard.ring();
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, blocked: null });
  });

  test('keep their epoch when a 409 is not signed', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.origin.says(fails(409, { signature: null }));
    await shard.ring();
    await shard.ring();
    expect(new Set(shard.origin.batches.map(({ epoch }) => epoch)).size).toBe(1);
  });
});

describe('an event that makes the origin fail', () => {
  const poisoned =
    (ids: readonly string[], fail: Script): Script =>
    (batch) =>
      batch.events.some(({ event }) => ids.includes(event.id)) ? fail(batch) : accepts(batch);

  test.each<[string, Script]>([
    ['a signed 500', fails(500)],
    ['a 502 of a proxy, because the origin crashes', fails(502, { signature: null })],
    ['no answer', () => 'lost'],
    ['a 413 of a proxy', fails(413, { signature: null })],
  ])('is parked after others have passed: %s', async (_, fail) => {
    const shard = await openForwarding();
    const events = Array.from({ length: 40 }, () => shard.event());
    const bad = events[11]?.id ?? '';
    shard.origin.says(poisoned([bad], fail));
    shard.accept(...events);
    await shard.ringUntilEmpty();
    expect(shard.listParked()).toEqual([{ id: bad, reason: 'failing' }]);
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, blocked: null });
  });

  test('is parked beside another one of the same kind', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 40 }, () => shard.event());
    const bad = [11, 12, 13, 20].map((n) => events[n]?.id ?? '');
    shard.origin.says(poisoned(bad, fails(500)));
    shard.accept(...events);
    await shard.ringUntilEmpty(200);
    expect(shard.listParked()).toEqual(bad.map((id) => ({ id, reason: 'failing' })));
  });

  test('does not change the order of any conversation', async () => {
    const shard = await openForwarding();
    const events = Array.from({ length: 40 }, (_, n) => shard.event({ conversation: conversationNamed(`C${n % 4}`) }));
    const bad = events[8]?.id ?? '';
    const taken: InboundEvent[] = [];
    shard.origin.says((batch) => {
      const reply = poisoned([bad], fails(500))(batch);
      if (reply !== 'lost' && reply.status === 200) taken.push(...batch.events.map(({ event }) => event));
      return reply;
    });
    shard.accept(...events);
    await shard.ringUntilEmpty();
    expect(taken).toHaveLength(39);
    for (let n = 0; n < 4; n += 1) {
      const { key } = conversationNamed(`C${n}`);
      const sameOf = (all: readonly InboundEvent[]) =>
        idsOf(all.filter(({ id, conversation }) => conversation.key === key && id !== bad));
      expect(sameOf(taken)).toEqual(sameOf(events));
    }
  });

  test('is not parked while nothing else passes, nor alone, nor behind its own conversation', async () => {
    const alone = await openForwarding();
    alone.accept(alone.event());
    alone.origin.says(fails(500));
    for (let n = 0; n < 30; n += 1) await alone.ring();
    expect(alone.status()).toMatchObject({ waiting: { events: 1 }, parked: { events: 0 } });

    const one = await openForwarding();
    const conversation = conversationNamed('C1');
    const events = Array.from({ length: 5 }, () => one.event({ conversation }));
    one.accept(...events);
    one.origin.says(poisoned([events[0]?.id ?? ''], fails(500)));
    for (let n = 0; n < 30; n += 1) await one.ring();
    expect(one.status()).toMatchObject({ waiting: { events: 5 }, parked: { events: 0 } });
    expect(new Set(one.sent().map(([id]) => id))).toEqual(new Set([events[0]?.id]));
  });

  test('is not parked when it passes after all: an origin that comes and goes', async () => {
    const shard = await openForwarding();
    shard.accept(...Array.from({ length: 60 }, () => shard.event()));
    let turn = 0;
    // Fails three times of four, whatever it is sent.
    shard.origin.says((batch) => (turn++ % 4 === 3 ? accepts(batch) : { status: 503, body: '' }));
    await shard.ringUntilEmpty(400);
    expect(shard.status()).toMatchObject({ waiting: { events: 0 }, parked: { events: 0 } });
  });
});

describe('the alarm', () => {
  test('is set again when the object starts with rows and without an alarm', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.crash(true);
    expect(shard.alarmIn()).toBe(0);
    await shard.ring();
    expect(shard.status().waiting.events).toBe(0);
  });

  test('is left as it is when the object starts with one', async () => {
    const shard = await openForwarding();
    shard.accept(shard.event());
    shard.crash();
    expect([shard.alarmIn(), shard.alarmsSet()]).toEqual([0, 1]);
  });

  test('is not set by calls that leave nothing to forward', async () => {
    const shard = await openForwarding();
    shard.accept();
    const event = shard.event();
    shard.accept(event);
    await shard.ring();
    shard.accept(event);
    expect(shard.alarmsSet()).toBe(1);
  });

  test('never rejects: a database that fails is reported, and the alarm is set again', async () => {
    let isBroken = false;
    const path = join(await testFolder(), 'other.db');
    const file = openSqlFile(path);
    onTestFinished(() => file.close());
    const broken = <T>(work: () => T): T => {
      if (isBroken) throw new Error('the disk failed');
      return work();
    };
    const shard = await openForwarding({
      sql: { ...file, all: (query, ...values) => broken(() => file.all(query, ...values)) },
    });
    const event = shard.event();
    shard.accept(event);
    isBroken = true;
    await shard.ring();
    expect(shard.errors.length).toBeGreaterThan(0);
    expect(shard.alarmIn()).toBeGreaterThan(0);
    isBroken = false;
    await shard.ring();
    expect(shard.sent()).toEqual([[event.id]]);
  });

  test('does not wait for ever for a request that never ends', async () => {
    let posted = 0;
    const shard = await openForwarding({
      timeoutMs: 1,
      post: () => {
        posted += 1;
        return new Promise(() => {});
      },
    });
    shard.accept(shard.event());
    await shard.ring();
    expect(posted).toBe(1);
    expect(shard.status().blocked?.reason).toBe('unreachable');
  });
});
