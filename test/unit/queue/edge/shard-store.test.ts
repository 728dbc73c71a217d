import { describe, expect, test } from 'vitest';
import type { InboundEvent } from '../../../../src/core/event.ts';
import type { Batch, Judged } from '../../../../src/queue/edge/shard-store.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { entryOf, openShard, SHARD, TENANT, type TestShard } from '../../../support/edge-shard.ts';
import { altered, createEventMaker, deliveredAgain } from '../../../support/events.ts';

const event = createEventMaker(createFakeClock().now);
const ALL = { events: 100, bytes: 1_000_000 };

const accept = ({ store }: TestShard, ...events: readonly InboundEvent[]): Judged[] =>
  store.accept(TENANT, SHARD, events.map(entryOf));

const outcomes = (answers: readonly Judged[]): string[] => answers.map(({ outcome }) => outcome);

const eventsOf = (batch: Batch | null): InboundEvent[] =>
  (batch?.rows ?? []).map(({ body }) => JSON.parse(body) as InboundEvent);

/** Sends everything that waits, to an origin that accepts it. */
function drain({ store }: TestShard): InboundEvent[] {
  const sent: InboundEvent[] = [];
  for (let batch = store.begin(ALL); batch !== null; batch = store.begin(ALL)) {
    sent.push(...eventsOf(batch));
    store.settle({ done: batch.rows, parked: [] });
  }
  return sent;
}

/** Has the origin refuse these. */
function park({ store }: TestShard, ...ids: readonly string[]): void {
  const rows = store.begin({ events: 100, bytes: 100_000_000 })?.rows ?? [];
  const parked = rows.filter(({ id }) => ids.includes(id)).map((row) => ({ row, reason: 'malformed' }));
  store.settle({ done: [], parked });
}

const marksOf = ({ sql }: TestShard): number =>
  sql.all<{ n: number }>('SELECT count(*) AS n FROM seen')[0]?.n ?? Number.NaN;

describe('accepting', () => {
  test('an event is accepted once and forwarded as it was written', async () => {
    const shard = await openShard();
    const first = event({ payload: { nested: [1, null, { '€': 'naïve 漢字 \u0000 "' }] } });
    expect(accept(shard, first)).toEqual([{ outcome: 'accepted', id: first.id }]);
    expect(accept(shard, deliveredAgain(first))).toEqual([{ outcome: 'duplicate', id: first.id }]);
    expect(eventsOf(shard.store.begin(ALL))).toEqual([first]);
  });

  test('a call that is sent again is accepted again and counted once', async () => {
    const shard = await openShard();
    const first = event();
    accept(shard, first);
    expect(accept(shard.reopen(), first)).toEqual([{ outcome: 'accepted', id: first.id }]);
    const again = shard.reopen();
    expect(again.store.begin(ALL)?.rows).toMatchObject([{ id: first.id, deliveries: 1 }]);
    expect(again.store.stats().counts).toEqual({ accepted: 1, duplicate: 0, conflict: 0 });
  });

  test('other content under the same key is one conflict, which is forwarded', async () => {
    const shard = await openShard();
    const first = event();
    const other = altered(first);
    accept(shard, first);
    expect(accept(shard, other, other)).toEqual([
      { outcome: 'conflict', id: other.id },
      { outcome: 'conflict', id: other.id },
    ]);
    expect(accept(shard, deliveredAgain(other))).toEqual([{ outcome: 'conflict', id: other.id }]);
    expect(shard.store.begin(ALL)?.rows.map(({ id, deliveries }) => ({ id, deliveries }))).toEqual([
      { id: first.id, deliveries: 1 },
      { id: other.id, deliveries: 2 },
    ]);
  });

  test('a repetition is counted on the row that waits and brings its mention', async () => {
    const shard = await openShard();
    const first = event();
    accept(shard, first, deliveredAgain(first, { mentioned: true }), deliveredAgain(first));
    const [row] = shard.store.begin(ALL)?.rows ?? [];
    expect(row).toMatchObject({ id: first.id, deliveries: 3 });
    expect(JSON.parse(row?.body ?? '')).toEqual({ ...first, mentioned: true });
  });

  test('a conflict does not bring a mention to the event it contradicts, nor its own twin to it', async () => {
    const shard = await openShard();
    const first = event();
    const other = altered(first);
    accept(shard, first, other, deliveredAgain(other, { mentioned: true }));
    expect(eventsOf(shard.store.begin(ALL)).map(({ mentioned }) => mentioned)).toEqual([false, false]);
  });

  test.each([
    ['whose answer is not there yet', (shard: TestShard) => shard],
    ['that the object does not remember after a restart', (shard: TestShard) => shard.reopen()],
  ])('a row in a batch %s takes no more repetitions', async (_, restart) => {
    let shard = await openShard();
    const first = event();
    accept(shard, first);
    const batch = shard.store.begin(ALL);
    shard = restart(shard);
    const twin = deliveredAgain(first, { mentioned: true });
    expect(accept(shard, twin, deliveredAgain(first))).toEqual([
      { outcome: 'duplicate', id: first.id },
      { outcome: 'duplicate', id: first.id },
    ]);
    expect(shard.store.begin(ALL)?.rows.map(({ id, deliveries }) => ({ id, deliveries }))).toEqual([
      { id: first.id, deliveries: 1 },
      { id: twin.id, deliveries: 2 },
    ]);
    expect(batch?.rows).toHaveLength(1);
  });

  test('a repetition of an event that was delivered is forwarded by itself', async () => {
    const shard = await openShard();
    const first = event();
    accept(shard, first);
    drain(shard);
    const twin = deliveredAgain(first, { mentioned: true });
    expect(accept(shard, twin)).toEqual([{ outcome: 'duplicate', id: first.id }]);
    expect(eventsOf(shard.store.begin(ALL))).toEqual([twin]);
  });

  test('a key is forgotten when its window has passed and not before', async () => {
    const shard = await openShard();
    const first = event({ windowMs: 300 });
    accept(shard, first, altered(first));
    shard.clock.advance(299);
    expect(outcomes(accept(shard, deliveredAgain(first)))).toEqual(['duplicate']);
    shard.clock.advance(1);
    const again = altered(first);
    expect(accept(shard, again)).toEqual([{ outcome: 'accepted', id: again.id }]);
    expect(outcomes(accept(shard, deliveredAgain(first)))).toEqual(['conflict']);
  });

  test('a fleeting mark is forgotten with the delivery of its row and not before', async () => {
    const shard = await openShard();
    const first = event({ seenUntil: 'start' });
    accept(shard, first, altered(first));
    expect(outcomes(accept(shard, deliveredAgain(first)))).toEqual(['duplicate']);
    drain(shard);
    const second = altered(first);
    expect(outcomes(accept(shard, second, deliveredAgain(first)))).toEqual(['accepted', 'conflict']);
  });

  test('a shard answers for one name only', async () => {
    const shard = await openShard();
    accept(shard, event());
    expect(() => shard.store.accept('globex', 'globex/3', [])).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_MISMATCH' }),
    );
    expect(() => shard.reopen().store.accept(TENANT, 'acme/4', [])).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_MISMATCH' }),
    );
  });
});

describe('at the cap', () => {
  test('a new event is refused and not marked, and repetitions are judged', async () => {
    const shard = await openShard({ maxEvents: 2 });
    const [first, second, third] = [event(), event(), event()];
    expect(outcomes(accept(shard, first, second, third))).toEqual(['accepted', 'accepted', 'full']);
    expect(outcomes(accept(shard, third, deliveredAgain(first), altered(first), first))).toEqual([
      'full',
      'duplicate',
      'conflict',
      'accepted',
    ]);
    expect(drain(shard)).toEqual([first, second]);
    const retried = deliveredAgain(third);
    expect(accept(shard, retried)).toEqual([{ outcome: 'accepted', id: retried.id }]);
    expect(shard.store.stats()).toMatchObject({ full: 2, counts: { accepted: 3, duplicate: 1, conflict: 0 } });
  });

  test('bytes that wait or are parked count', async () => {
    const shard = await openShard({ maxBytes: 6_000 });
    const large = () => event({ text: 'x'.repeat(2_000) });
    const [first, second, third] = [large(), large(), large()];
    expect(outcomes(accept(shard, first, second, third))).toEqual(['accepted', 'accepted', 'full']);
    park(shard, first.id);
    expect(outcomes(accept(shard, third))).toEqual(['full']);
    shard.store.drop(first.id);
    expect(outcomes(accept(shard, third))).toEqual(['accepted']);
  });
});

test('a body that is too long for a row is cut and comes out whole, also when it was parked', async () => {
  const shard = await openShard();
  // Characters of two UTF-16 units, one of which lies across the end of a piece whatever stands before it.
  const [odd, even] = [event({ text: `x${'😀'.repeat(2_000_000)}` }), event({ text: '😀'.repeat(200_000) })];
  const small = event();
  expect(outcomes(accept(shard, odd, even, small))).toEqual(['accepted', 'accepted', 'accepted']);
  // A batch holds one event that is larger than its limit, and nothing beside it.
  expect(eventsOf(shard.store.begin(ALL))).toEqual([odd]);
  park(shard, odd.id);
  expect(shard.store.resend(odd.id)).toBe(true);
  const again = shard.reopen();
  expect(drain(again)).toEqual([even, small, odd]);
  expect(again.sql.all('SELECT 1 FROM outbox_piece')).toEqual([]);
});

describe('parked rows', () => {
  test('are listed, and are sent again or dropped when an operator says so', async () => {
    const shard = await openShard();
    const [first, second, third] = [event(), event(), event()];
    accept(shard, first, second, third);
    shard.clock.advance(50);
    park(shard, first.id, second.id);
    const { store } = shard.reopen();
    const seenAt = { acceptedAt: shard.clock.now() - 50, parkedAt: shard.clock.now() };
    expect(store.listParked(10)).toEqual([
      { id: first.id, reason: 'malformed', bytes: JSON.stringify(first).length, ...seenAt },
      { id: second.id, reason: 'malformed', bytes: JSON.stringify(second).length, ...seenAt },
    ]);
    expect(store.listParked(1)).toHaveLength(1);
    expect([store.resend(first.id), store.resend(first.id), store.drop(second.id), store.drop(second.id)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(eventsOf(store.begin(ALL))).toEqual([third, first]);
    expect(store.stats()).toMatchObject({ parked: { events: 0, bytes: 0 }, counts: { accepted: 3 } });
  });

  test('take no repetitions, which are forwarded by themselves', async () => {
    const shard = await openShard();
    const first = event();
    accept(shard, first);
    park(shard, first.id);
    const twin = deliveredAgain(first);
    expect(accept(shard, twin)).toEqual([{ outcome: 'duplicate', id: first.id }]);
    shard.store.resend(first.id);
    expect(outcomes(accept(shard, deliveredAgain(first)))).toEqual(['duplicate']);
    expect(shard.store.begin(ALL)?.rows).toMatchObject([
      { id: twin.id, deliveries: 2 },
      { id: first.id, deliveries: 1 },
    ]);
  });
});

describe('batches', () => {
  test('hold the first rows, as many and as large as is allowed', async () => {
    const shard = await openShard();
    const events = Array.from({ length: 5 }, () => event());
    accept(shard, ...events);
    const [one] = events.map((each) => JSON.stringify(each).length);
    expect(eventsOf(shard.store.begin({ events: 3, bytes: 1_000_000 }))).toEqual(events.slice(0, 3));
    expect(eventsOf(shard.store.begin({ events: 9, bytes: (one ?? 0) * 2 + 10 }))).toEqual(events.slice(0, 2));
    expect(eventsOf(shard.store.begin({ events: 9, bytes: 1 }))).toEqual(events.slice(0, 1));
  });

  test('never use an attempt twice, whatever becomes of the answer and of the object', async () => {
    let shard = await openShard();
    accept(shard, event(), event());
    const attempts: number[] = [];
    for (let n = 0; n < 6; n += 1) {
      attempts.push(shard.store.begin(ALL)?.attempt ?? 0);
      if (n % 2 === 1) shard = shard.reopen();
    }
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6]);
    expect(drain(shard)).toHaveLength(2);
    accept(shard.reopen(), event());
    const next = shard.reopen();
    expect(next.store.begin(ALL)).toMatchObject({ tenant: TENANT, shard: SHARD, attempt: 8 });
  });

  test('a new epoch is later than the one before, also when the clock has not moved or went back', async () => {
    const shard = await openShard();
    accept(shard, event());
    const epochs: string[] = [];
    for (const step of [0, 0, -60_000]) {
      shard.clock.advance(step);
      epochs.push(shard.store.begin(ALL)?.epoch ?? '');
      shard.store.renewEpoch();
    }
    const { store } = shard.reopen();
    epochs.push(store.begin(ALL)?.epoch ?? '');
    for (const epoch of epochs) expect(epoch).toMatch(/^[0-9a-z]{8}-[\w-]{8}$/);
    const times = epochs.map((epoch) => Number.parseInt(epoch, 36));
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(store.begin(ALL)?.attempt).toBe(5);
  });

  test('another conversation than that of a row can be asked for, the earliest of its own', async () => {
    const shard = await openShard();
    const [first, other] = [event(), event()];
    const next = event({ conversation: first.conversation });
    const later = event({ conversation: other.conversation });
    accept(shard, first, next, other, later);
    const seq = shard.store.begin({ events: 1, bytes: 1 })?.rows[0]?.seq ?? 0;
    expect(eventsOf(shard.store.beginOther([seq]))).toEqual([other]);
    const alone = await openShard();
    accept(alone, first, next);
    expect(alone.store.beginOther([alone.store.begin(ALL)?.rows[0]?.seq ?? 0])).toBeNull();
  });

  test('places are not given out again when every row is gone', async () => {
    const shard = await openShard();
    const first = event();
    accept(shard, first);
    drain(shard);
    const { store } = shard.reopen();
    store.accept(TENANT, SHARD, [entryOf(event())]);
    const twin = deliveredAgain(first);
    store.accept(TENANT, SHARD, [entryOf(twin), entryOf(deliveredAgain(first))]);
    expect(store.begin(ALL)?.rows.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
  });
});

describe('rows written', () => {
  test('are two for an accepted event, and one for it and one for its batch when it is delivered', async () => {
    const shard = await openShard();
    accept(shard, event());
    drain(shard);
    const costOf = (work: () => void): number => {
      const before = shard.sql.changes();
      work();
      return shard.sql.changes() - before;
    };
    const events = Array.from({ length: 20 }, () => event());
    expect(costOf(() => accept(shard, ...events))).toBe(40);
    expect(costOf(() => accept(shard, ...events))).toBe(0);
    expect(costOf(() => drain(shard))).toBe(21);
    expect(shard.sql.all("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")).toEqual([]);
    expect(shard.sql.all("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")).toEqual([]);
  });
});

test('expired marks are deleted by walking over them once a day, some at a time', async () => {
  const shard = await openShard();
  const DAY_MS = 86_400_000;
  const events = Array.from({ length: 2_500 }, (_, n) => event({ windowMs: n % 2 === 0 ? DAY_MS : 3 * DAY_MS }));
  accept(shard, ...events);
  const walk = (open: TestShard): number => {
    let steps = 1;
    while (open.store.sweep()) steps += 1;
    return steps;
  };
  expect(walk(shard)).toBe(3);
  expect(marksOf(shard)).toBe(2_500);
  shard.clock.advance(DAY_MS - 1);
  expect(walk(shard)).toBe(1);
  expect(marksOf(shard)).toBe(2_500);
  shard.clock.advance(1);
  expect(shard.store.sweep()).toBe(true);
  // The walk goes on where it was.
  const again = shard.reopen();
  expect(walk(again)).toBe(2);
  expect(marksOf(again)).toBe(1_250);
  again.clock.advance(2 * DAY_MS);
  walk(again);
  expect(marksOf(again)).toBe(0);
});

test('a shard of a later release is refused and left as it is', async () => {
  const shard = await openShard();
  accept(shard, event());
  shard.sql.run("UPDATE meta SET value = '2' WHERE name = 'version'");
  expect(() => shard.reopen()).toThrow(
    expect.objectContaining({
      code: 'ERR_STORE_MISMATCH',
      message: 'the shard has version 2 and this release reads 1; deploy the release that wrote it',
    }),
  );
});
