import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toUtf8 } from '../../../../src/core/crypto/encoding.ts';
import { SallyportError } from '../../../../src/core/errors.ts';
import type { InboundEvent } from '../../../../src/core/event.ts';
import { silentLogger } from '../../../../src/core/logger.ts';
import { silentMeter } from '../../../../src/core/meter.ts';
import type { RelayBatch } from '../../../../src/core/relay.ts';
import { conversationNamed, createEventMaker, deliveredAgain } from '../../../support/events.ts';
import type { Gate } from '../../../support/gate.ts';
import {
  createRelayShard,
  openRelayGate,
  postRelay,
  RELAY_KEY,
  type RelayGateOptions,
  relayed,
  relayKeys,
} from '../../../support/relay.ts';
import { message, postSlack } from '../../../support/slack.ts';
import { stubTracer } from '../../../support/stub-tracer.ts';

let gate: Gate;
let shard: ReturnType<typeof createRelayShard>;
/** The clock stands still, so that windows are what they were and no request grows old. */
const now = Date.now();
const clock = () => now;
const make = createEventMaker(clock);
const event = (more: Partial<InboundEvent> = {}): InboundEvent => make({ tenant: 'default', ...more });

/** Words for the operator: metrics, lines of the log and the audit's counts. */
let told: { batches: string[]; deliveries: string[]; lines: string[]; tallies: string[] };

const openWith = async ({ relay = {}, ...options }: RelayGateOptions = {}): Promise<void> => {
  await gate?.stop();
  told = { batches: [], deliveries: [], lines: [], tallies: [] };
  const line = (fields: object, name: string) => void told.lines.push(`${name} ${JSON.stringify(fields)}`);
  gate = await openRelayGate({
    clock,
    ...options,
    relay: {
      meter: {
        ...silentMeter,
        relayed: (outcome) => void told.batches.push(outcome),
        delivery: (...labels) => void told.deliveries.push(labels.join(' ').trim()),
      },
      logger: { ...silentLogger, info: line, warn: line, error: line },
      tally: (tenant, { action, subject, reason }) =>
        void told.tallies.push([tenant, action, subject, reason].join(' ')),
      ...relay,
    },
  });
};

beforeEach(async () => {
  shard = createRelayShard();
  await openWith();
});
afterEach(() => gate.stop());

const stored = async (tenant = 'default') => (await gate.store.events.list(tenant, { limit: 200 })).events;
const recordOf = (one: InboundEvent) => gate.store.events.get(one.tenant, one.id);

describe('a batch of the edge', () => {
  test('is accepted in its order, and the answer is signed', async () => {
    const conversation = conversationNamed('C1', 'default');
    const events = [event({ conversation }), event({ conversation }), event({ channel: 'graph' })];
    const answer = await postRelay(gate, shard(events));
    expect(answer).toMatchObject({ status: 200, isProven: true });
    expect(JSON.parse(answer.text)).toEqual({
      v: 1,
      results: events.map(({ id }) => ({ id, outcome: 'accepted' })),
    });
    const taken = await gate.store.lease.take({ tenant: 'default', key: conversation.key });
    expect(taken).toMatchObject({ record: { event: { id: events[0]?.id } } });
    expect((await recordOf(events[1] as InboundEvent))?.event).toEqual(events[1]);
    expect(told).toMatchObject({ batches: ['accepted'], tallies: [] });
    expect(told.deliveries).toEqual(['slack accepted', 'slack accepted', 'graph accepted']);
  });

  test('goes on in one trace: each event has the span that accepted it', async () => {
    const tracer = stubTracer();
    await openWith({ relay: { tracer } });
    const events = [event(), { ...event(), traceparent: '00-whatever-it-says' }];
    await postRelay(gate, shard(events));
    expect(tracer.begun).toEqual([
      { name: 'relay', facts: { tenant: 'default', items: 2, outcome: 'accepted', status: 200 } },
      { name: 'accept', facts: { items: 2 } },
    ]);
    const records = await Promise.all(events.map(recordOf));
    expect(records.map((record) => record?.event.traceparent)).toEqual(['span-2', 'span-2']);
  });

  test('that is sent again is accepted again, and runs once', async () => {
    const one = event();
    await postRelay(gate, shard([one]));
    expect((await postRelay(gate, shard([one]))).outcomes).toEqual(['accepted']);
    expect(await recordOf(one)).toMatchObject({ deliveries: 1 });
    expect(await stored()).toHaveLength(1);
  });

  test('says of each event what became of it', async () => {
    const [first, other] = [event(), event()];
    const twin = deliveredAgain(first, { mentioned: true });
    const conflict = deliveredAgain(other, { identity: { ...other.identity, fingerprint: 'f'.repeat(22) } });
    const answer = await postRelay(gate, shard([first, twin, other, conflict]));
    expect(answer.outcomes).toEqual(['accepted', 'duplicate', 'accepted', 'conflict']);
    expect(answer.results.map(({ id }) => id)).toEqual([first, twin, other, conflict].map(({ id }) => id));
    expect(await recordOf(first)).toMatchObject({ deliveries: 2, event: { mentioned: true } });
  });

  test.each([
    [1, 1],
    [3, 3],
    [21, 21],
    [1_000_000, 21],
  ])('counts %i deliveries of an event as %i', async (deliveries, counted) => {
    const one = event();
    const second = event();
    const answer = await postRelay(gate, shard([relayed(one, { deliveries }), second]));
    expect(answer.outcomes).toEqual(['accepted', 'accepted']);
    expect(await recordOf(one)).toMatchObject({ deliveries: counted });
    expect(await stored()).toHaveLength(2);
  });

  test('of a hundred events, each with many deliveries, is accepted as a whole', async () => {
    const events = Array.from({ length: 100 }, () => relayed(event(), { deliveries: 5 }));
    expect(new Set((await postRelay(gate, shard(events))).outcomes)).toEqual(new Set(['accepted']));
    expect((await stored()).map((one) => one.deliveries)).toEqual(new Array(100).fill(5));
  });

  test('leaves no copies of an event that is larger than a step of the store', async () => {
    const one = event({ text: 'long '.repeat(300_000) });
    expect((await postRelay(gate, shard([relayed(one, { deliveries: 9 })]))).outcomes).toEqual(['accepted']);
    expect(await recordOf(one)).toMatchObject({ deliveries: 1 });
  });

  test('may nest a payload as deeply as a sender may', async () => {
    const payload = JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`);
    expect((await postRelay(gate, shard([event({ payload })]))).outcomes).toEqual(['accepted']);
    const tooDeep = JSON.parse(`${'['.repeat(81)}${']'.repeat(81)}`);
    const answer = await postRelay(gate, shard([event({ payload: tooDeep })]));
    expect(answer).toMatchObject({ status: 400, code: 'ERR_BODY_UNPARSABLE', isProven: true });
  });

  test('may have members that this release does not know, and none of them is kept', async () => {
    const one = event();
    const batch = shard([{ ...relayed({ ...one, future: 1 } as InboundEvent), future: 1 } as never]);
    expect((await postRelay(gate, { ...batch, future: 1 } as RelayBatch)).outcomes).toEqual(['accepted']);
    expect((await recordOf(one))?.event).toEqual(one);
  });

  test('is remembered until the window that began at the edge ends, for an hour at least', async () => {
    const hour = 3_600_000;
    const [waited, late, short] = [event({ windowMs: 72 * hour }), event({ windowMs: 72 * hour }), event()];
    const acceptedAt = now - 10 * hour;
    const batch = shard([
      relayed(waited, { acceptedAt }),
      relayed(late, { acceptedAt: now - 100 * hour }),
      relayed({ ...short, windowMs: 300 }, { acceptedAt }),
    ]);
    expect((await postRelay(gate, batch)).outcomes).toEqual(['accepted', 'accepted', 'accepted']);
    const windows = await Promise.all([waited, late, short].map(async (one) => (await recordOf(one))?.event.windowMs));
    expect(windows).toEqual([62 * hour, hour, 300]);
  });

  test('is scrubbed again, and what is sealed stays as it is', async () => {
    const token = `xoxb-${'1234567890'}-${'1234567890123'}-${'AbCdEfGhIjKlMnOpQrStUvWx'}`;
    const one = event({ text: `use ${token}`, payload: { text: `use ${token}` }, sealed: { response_url: 'k1.abc' } });
    expect((await postRelay(gate, shard([one]))).outcomes).toEqual(['accepted']);
    const kept = (await recordOf(one))?.event;
    expect(JSON.stringify(kept)).not.toContain(token);
    expect(kept?.sealed).toEqual({ response_url: 'k1.abc' });
  });

  test('does not bring in what no agent answers, and its twin that one answers can still come', async () => {
    await openWith({ relay: { isRelevant: ({ mentioned }) => mentioned } });
    const one = event();
    const twin = deliveredAgain(one, { mentioned: true });
    expect((await postRelay(gate, shard([one, twin]))).outcomes).toEqual(['ignored', 'accepted']);
    expect((await stored()).map(({ event: { id } }) => id)).toEqual([twin.id]);
    expect(told.deliveries).toEqual(['slack ignored no_agent', 'slack accepted']);
  });
});

describe('what proves nothing', () => {
  test.each([
    ['wrong key', { keys: relayKeys(new Uint8Array(32).fill(4)) }, 401, 'ERR_SIGNATURE_MISMATCH'],
    ['stale', { at: now - 301_000 }, 401, 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
    ['future', { at: now + 301_000 }, 401, 'ERR_TIMESTAMP_OUTSIDE_TOLERANCE'],
    ['altered nonce', { headers: { 'x-sallyport-relay-nonce': 'A'.repeat(22) } }, 401, 'ERR_SIGNATURE_MISMATCH'],
    ['no signature', { headers: { 'x-sallyport-relay-signature': null } }, 401, 'ERR_SIGNATURE_MISSING'],
    ['another version', { headers: { 'x-sallyport-relay-version': '2' } }, 400, 'ERR_RELAY_VERSION'],
    ['no version', { headers: { 'x-sallyport-relay-version': null } }, 400, 'ERR_RELAY_VERSION'],
  ] as const)('%s: refused without a signature, and nothing is stored', async (_, options, status, code) => {
    const answer = await postRelay(gate, shard([event()]), options);
    expect(answer).toMatchObject({ status, code, isProven: false, text: JSON.stringify({ v: 1, code }) });
    expect(answer.headers.has('x-sallyport-relay-signature')).toBe(false);
    expect(await stored()).toEqual([]);
    expect(await gate.store.records.list('default', 'relay')).toEqual(new Map());
  });

  test('an altered body is refused, one of another valid batch as well', async () => {
    const [batch, other] = [shard([event()]), shard([event()])];
    const bytes = toUtf8(JSON.stringify(batch));
    bytes[bytes.length - 2] = 0x20;
    expect(await postRelay(gate, batch, { body: bytes })).toMatchObject({ status: 401, isProven: false });
    const swapped = await postRelay(gate, batch, { body: toUtf8(JSON.stringify(other)) });
    expect(swapped).toMatchObject({ status: 401, code: 'ERR_SIGNATURE_MISMATCH' });
    expect(await stored()).toEqual([]);
  });

  test('stale and future batches are refused before their body is read', async () => {
    for (const at of [now - 301_000, now + 301_000]) {
      let read = 0;
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            read += 1;
            controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      expect((await postRelay(gate, shard([event()]), { at, body })).status).toBe(401);
      expect(read).toBe(0);
    }
  });

  test('a body over the limit is refused while it is read, and the answer is not signed', async () => {
    const large = shard([event({ text: 'x'.repeat(4_600_000) })]);
    const answer = await postRelay(gate, large);
    expect(answer).toMatchObject({ status: 200 });
    const larger = shard([event({ text: 'x'.repeat(4_800_000) })]);
    expect(await postRelay(gate, larger)).toMatchObject({ status: 413, code: 'ERR_BODY_TOO_LARGE', isProven: false });
    expect(await stored()).toHaveLength(1);
  });

  test.each(['GET', 'PUT', 'DELETE'])('%s is answered 405', async (method) => {
    const answer = await postRelay(gate, shard([event()]), { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('counts against its source: forgeries of one over its limit get 429, and what is proven passes', async () => {
    await openWith({ failuresPerMinute: 3 });
    const keys = relayKeys(new Uint8Array(32).fill(4));
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await postRelay(gate, shard([event()]), { keys })).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(await postRelay(gate, shard([event()]))).toMatchObject({ status: 200, outcomes: ['accepted'] });
    // One line a minute for the source, with the key that it named.
    const lines = told.lines.filter((line) => line.startsWith('relay.rejected'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`"key":"${keys[0].id}"`);
    expect(told.batches).toEqual([...new Array(5).fill('signature_mismatch'), 'accepted']);
  });

  test('is counted in the audit where it can only be of one tenant', async () => {
    const keys = relayKeys(new Uint8Array(32).fill(4));
    await postRelay(gate, shard([event()]), { keys });
    expect(told.tallies).toEqual([]);
    await openWith({ relay: { tenants: ['default'] } });
    await postRelay(gate, shard([event()]), { keys });
    expect(told.tallies).toEqual(['default delivery.forged relay signature_mismatch']);
  });
});

describe('what is proven and wrong gets a signed answer', () => {
  const wrong = (change: (batch: RelayBatch) => unknown) => JSON.stringify(change(shard([event()])));
  const duplicate = (): string => JSON.stringify(shard([event()])).replace('{"v":1', '{"v":1,"v":1');

  test.each<readonly [string, () => string, number, string]>([
    ['no JSON', () => '{"v":1', 400, 'ERR_BODY_UNPARSABLE'],
    ['no UTF-8', () => '\ud800', 400, 'ERR_BODY_UNPARSABLE'],
    ['a repeated member', duplicate, 400, 'ERR_BODY_UNPARSABLE'],
    [
      'a repeated member in an event',
      () => JSON.stringify(shard([event()])).replace('"text":', '"text":"a","text":'),
      400,
      'ERR_BODY_UNPARSABLE',
    ],
    ['a list', () => '[]', 400, 'ERR_INVALID_REQUEST'],
    ['no events', () => wrong((batch) => ({ ...batch, events: [] })), 400, 'ERR_INVALID_REQUEST'],
    [
      '101 events',
      () => wrong((batch) => ({ ...batch, events: new Array(101).fill(batch.events[0]) })),
      400,
      'ERR_INVALID_REQUEST',
    ],
    ['another v', () => wrong((batch) => ({ ...batch, v: 2 })), 400, 'ERR_INVALID_REQUEST'],
    ['attempt 0', () => wrong((batch) => ({ ...batch, attempt: 0 })), 400, 'ERR_INVALID_REQUEST'],
    ['half an attempt', () => wrong((batch) => ({ ...batch, attempt: 1.5 })), 400, 'ERR_INVALID_REQUEST'],
    ['an unending attempt', () => wrong((batch) => ({ ...batch, attempt: 2 ** 60 })), 400, 'ERR_INVALID_REQUEST'],
    ["another tenant's shard", () => wrong((b) => ({ ...b, shard: 'globex/3' })), 400, 'ERR_INVALID_REQUEST'],
    ['a shard of a longer name', () => wrong((b) => ({ ...b, shard: 'default2/3' })), 400, 'ERR_INVALID_REQUEST'],
    ['a shard without a number', () => wrong((b) => ({ ...b, shard: 'default/x' })), 400, 'ERR_INVALID_REQUEST'],
    ['an epoch that is none', () => wrong((b) => ({ ...b, epoch: 'latest' })), 400, 'ERR_INVALID_REQUEST'],
    [
      'an epoch of tomorrow',
      () => wrong((b) => ({ ...b, epoch: createRelayShard({ bornAt: now + 86_400_000 })([]).epoch })),
      400,
      'ERR_INVALID_REQUEST',
    ],
    [
      'a tenant that nobody configured',
      () => wrong((b) => ({ ...b, tenant: 'acme', shard: 'acme/3' })),
      404,
      'ERR_NOT_FOUND',
    ],
    [
      "a tenant of an object's prototype",
      () => wrong((b) => ({ ...b, tenant: 'constructor', shard: 'constructor/3' })),
      404,
      'ERR_NOT_FOUND',
    ],
  ])('%s', async (name, body, status, code) => {
    const content = name === 'no UTF-8' ? new Uint8Array([0x22, 0xff, 0x22]) : body();
    const answer = await postRelay(gate, content);
    expect(answer).toMatchObject({ status, code, isProven: true, text: JSON.stringify({ v: 1, code }) });
    expect([await stored(), await stored('globex')]).toEqual([[], []]);
    expect(await gate.store.records.list('default', 'relay')).toEqual(new Map());
  });

  test('a process that is stopping answers 503 and notes no attempt', async () => {
    let isDraining = true;
    await openWith({ isDraining: () => isDraining });
    const batch = shard([event()]);
    const answer = await postRelay(gate, batch);
    expect(answer).toMatchObject({ status: 503, code: 'ERR_SHUTTING_DOWN', isProven: true });
    expect(answer.headers.get('retry-after')).toBe('5');
    isDraining = false;
    expect((await postRelay(gate, batch)).status).toBe(200);
  });

  test('but not to a stranger, whom a stopping process tells nothing', async () => {
    await openWith({ isDraining: () => true });
    const keys = relayKeys(new Uint8Array(32).fill(4));
    expect(await postRelay(gate, shard([event()]), { keys })).toMatchObject({ status: 401, isProven: false });
  });

  const away = new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
  test('a store that is away at the inbox means 503, and the next attempt is accepted', async () => {
    let isAway = true;
    await openWith({
      over: (store) => ({
        ...store,
        inbox: { accept: (events) => (isAway ? Promise.reject(away) : store.inbox.accept(events)) },
      }),
    });
    const one = event();
    expect(await postRelay(gate, shard([one]))).toMatchObject({
      ...{ status: 503, code: 'ERR_STORE_UNAVAILABLE', isProven: true },
    });
    expect(await stored()).toEqual([]);
    isAway = false;
    expect((await postRelay(gate, shard([one]))).outcomes).toEqual(['accepted']);
  });

  test('a store that is away at the note of the attempt means 503, and nothing is accepted', async () => {
    let isAway = true;
    await openWith({
      over: (store) => ({
        ...store,
        records: {
          ...store.records,
          compareAndSet: (...args) => (isAway ? Promise.reject(away) : store.records.compareAndSet(...args)),
        },
      }),
    });
    const batch = shard([event()]);
    expect(await postRelay(gate, batch)).toMatchObject({ status: 503, isProven: true });
    expect(await stored()).toEqual([]);
    isAway = false;
    expect((await postRelay(gate, batch)).status).toBe(200);
  });

  test('a failure that nobody foresaw is 503 as well', async () => {
    await openWith({ over: (store) => ({ ...store, inbox: { accept: () => Promise.reject(new Error('boom')) } }) });
    const answer = await postRelay(gate, shard([event()]));
    expect(answer).toMatchObject({ status: 503, code: 'ERR_INTERNAL', isProven: true });
  });
});

describe('a batch is taken in once', () => {
  test('and a replay of it is refused, whatever its nonce and time', async () => {
    const batch = shard([event()]);
    const nonce = 'B'.repeat(22);
    expect((await postRelay(gate, batch, { nonce })).status).toBe(200);
    for (const options of [{ nonce }, {}, { at: now + 60_000 }]) {
      expect(await postRelay(gate, batch, options)).toMatchObject({
        ...{ status: 409, code: 'ERR_RELAY_REPLAYED', isProven: true },
      });
    }
    expect((await stored())[0]).toMatchObject({ deliveries: 1 });
    expect(told.tallies).toEqual(new Array(3).fill('default delivery.quarantined relay relay_replayed'));
  });

  test('and one that comes after its successor is refused, with events that were never seen', async () => {
    const [first, second] = [shard([event()]), shard([event()])];
    expect((await postRelay(gate, second)).status).toBe(200);
    expect((await postRelay(gate, first)).status).toBe(409);
    expect(await stored()).toHaveLength(1);
  });

  test('by each shard and each tenant apart', async () => {
    const others = [createRelayShard({ number: 4 }), createRelayShard({ tenant: 'globex' })];
    await postRelay(gate, shard([event()], { attempt: 9 }));
    for (const other of others) {
      const { tenant } = other([]);
      expect((await postRelay(gate, other([event({ tenant })], { attempt: 1 }))).status).toBe(200);
    }
  });

  test('of a shard whose storage was lost, from 1 again; its earlier life is over then', async () => {
    const earlier = createRelayShard({ bornAt: now - 60_000 });
    await postRelay(gate, earlier([event()], { attempt: 50 }));
    expect((await postRelay(gate, shard([event()], { attempt: 1 }))).status).toBe(200);
    expect((await postRelay(gate, earlier([event()], { attempt: 51 }))).status).toBe(409);
    // Two lives that began in the same millisecond: neither is later.
    const bornAt = now;
    const twins = [createRelayShard({ number: 9, bornAt }), createRelayShard({ number: 9, bornAt })] as const;
    expect((await postRelay(gate, twins[0]([event()]))).status).toBe(200);
    expect((await postRelay(gate, twins[1]([event()]))).status).toBe(409);
  });
});

describe('an event that is wrong is rejected, and its neighbours are accepted', () => {
  const malformed: readonly (readonly [string, (one: InboundEvent) => unknown])[] = [
    ['a string', () => 'event'],
    ['no event', () => ({ acceptedAt: now, deliveries: 1 })],
    ['no deliveries', (one) => ({ ...relayed(one), deliveries: 0 })],
    ['another version', (one) => relayed({ ...one, v: 2 } as never)],
    ['an id of another form', (one) => relayed({ ...one, id: 'ev_1' })],
    ['an id with a line feed', (one) => relayed({ ...one, id: `${one.id}\n` })],
    ['a key with a line feed', (one) => relayed({ ...one, identity: { ...one.identity, key: `${'k'.repeat(21)}\n` } })],
    ['a fingerprint of another length', (one) => relayed({ ...one, identity: { ...one.identity, fingerprint: 'f' } })],
    [
      "a conversation's key with a space",
      (one) => relayed({ ...one, conversation: { name: 'C', key: ' '.repeat(22) } }),
    ],
    ['a window that never ends', (one) => relayed({ ...one, windowMs: 1e300 })],
    ['no window', (one) => relayed({ ...one, windowMs: 0 })],
    ['a mention that is a text', (one) => relayed({ ...one, mentioned: 'yes' } as never)],
    ['an author of another kind', (one) => relayed({ ...one, author: { id: 'U1', kind: 'admin' } } as never)],
    ['a destination that is a list', (one) => relayed({ ...one, destination: [] as never })],
    ['no payload', (one) => relayed({ ...one, payload: undefined } as never)],
    ['a name without end', (one) => relayed({ ...one, conversation: { ...one.conversation, name: 'x'.repeat(5000) } })],
    ['a sealed value that is an object', (one) => relayed({ ...one, sealed: { url: {} } } as never)],
    ['a time of tomorrow', (one) => relayed({ ...one, receivedAt: now + 86_400_000 }, { acceptedAt: now })],
    ['an acceptance of tomorrow', (one) => relayed(one, { acceptedAt: now + 86_400_000 })],
  ];
  const foreign = (one: InboundEvent): unknown => relayed({ ...one, tenant: 'globex' });
  const secret = `ghp_${'aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC4'}`;

  test.each<readonly [string, string, (one: InboundEvent) => unknown]>([
    ...malformed.map(([name, make]) => [name, 'malformed', make] as const),
    ["another tenant's event", 'foreign_tenant', foreign],
    ['an unknown channel', 'channel_unconfigured', (one) => relayed({ ...one, channel: 'fax' })],
    ['a channel of another tenant alone', 'channel_unconfigured', (one) => relayed({ ...one, channel: 'teams' })],
    ['chat, over which no vendor delivers', 'channel_unconfigured', (one) => relayed({ ...one, channel: 'chat' })],
    ['a channel of an object’s prototype', 'channel_unconfigured', (one) => relayed({ ...one, channel: 'toString' })],
    ['a secret as its author', 'secret_in_id', (one) => relayed({ ...one, author: { id: secret, kind: 'user' } })],
    ['a secret as its destination', 'secret_in_id', (one) => relayed({ ...one, destination: { channel: secret } })],
    [
      'a secret in the name of its conversation',
      'secret_in_id',
      (one) => relayed({ ...one, conversation: { ...one.conversation, name: `C1:${secret}` } }),
    ],
  ])('%s: %s', async (_, reason, make) => {
    const [before, after, bad] = [event(), event(), event()];
    const events = [relayed(before), make(bad), relayed(after)] as RelayBatch['events'];
    const answer = await postRelay(gate, shard(events));
    expect(answer).toMatchObject({ status: 200, isProven: true });
    expect(answer.outcomes).toEqual(['accepted', `rejected ${reason}`, 'accepted']);
    expect((await stored()).map(({ event: { id } }) => id).toSorted()).toEqual([before.id, after.id].toSorted());
    expect(await stored('globex')).toEqual([]);
    expect(told.deliveries.toSorted()).toEqual([`relay rejected ${reason}`, 'slack accepted', 'slack accepted']);
    expect(told.tallies).toEqual([`default delivery.quarantined relay ${reason}`]);
    expect(told.lines.join()).not.toContain(secret);
  });

  test('a second event with the id of one before it', async () => {
    const one = event();
    const other = event({ id: one.id });
    expect((await postRelay(gate, shard([one, other]))).outcomes).toEqual(['accepted', 'rejected malformed']);
    expect((await recordOf(one))?.event).toEqual(one);
  });

  test('the answer repeats no id that is not one of ours', async () => {
    const bad = relayed({ ...event(), id: 'ev_<script>' });
    const answer = await postRelay(gate, shard([bad]));
    expect(answer.results).toEqual([{ id: '', outcome: 'rejected', reason: 'malformed' }]);
    const known = relayed({ ...event(), v: 2 } as never);
    expect((await postRelay(gate, shard([known]))).results[0]?.id).toBe(known.event.id);
  });
});

describe('where there is no room', () => {
  test('the rest of the batch is full, nothing of it is marked, and it keeps its order', async () => {
    await openWith({ limits: { queueCap: 30 } });
    const events = Array.from({ length: 60 }, () => event());
    const answer = await postRelay(gate, shard([...events, deliveredAgain(events[0] as InboundEvent)]));
    expect(answer.outcomes.slice(0, 30)).toEqual(new Array(30).fill('accepted'));
    expect(answer.outcomes.slice(30)).toEqual(new Array(31).fill('full'));
    expect(answer).toMatchObject({ status: 200, isProven: true });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(told.batches).toEqual(['full']);
    expect(await stored()).toHaveLength(30);
  });

  test('a later event does not overtake one that found no room, although there is room by then', async () => {
    let calls = 0;
    await openWith({
      over: (store) => ({
        ...store,
        inbox: {
          accept: async (events) => {
            calls += 1;
            return calls === 1 ? events.map(() => ({ outcome: 'full' })) : store.inbox.accept(events);
          },
        },
      }),
    });
    const answer = await postRelay(gate, shard(Array.from({ length: 60 }, () => event())));
    expect(new Set(answer.outcomes)).toEqual(new Set(['full']));
    expect(await stored()).toEqual([]);
  });

  test('of one channel, the others go on, and the wait is the one of the channel', async () => {
    await openWith({ limits: { channelRate: { count: 2, windowMs: 60_000 } } });
    const [slack, graph] = [() => event(), () => event({ channel: 'graph' })];
    const events = [slack(), slack(), slack(), graph(), ...Array.from({ length: 30 }, slack), graph()];
    const answer = await postRelay(gate, shard(events));
    expect(answer.outcomes).toEqual([
      ...['accepted', 'accepted', 'full', 'accepted'],
      ...new Array(30).fill('full'),
      'accepted',
    ]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(20);
  });
});

describe('keys are rotated without a gap', () => {
  const next = new Uint8Array(32).fill(5);

  test('both are accepted while both are listed, and answers are signed with the first', async () => {
    await openWith({ relay: { keys: relayKeys(RELAY_KEY, next) } });
    const edge = relayKeys(next, RELAY_KEY);
    expect(await postRelay(gate, shard([event()]), { keys: edge })).toMatchObject({ status: 200, isProven: true });
    expect(await postRelay(gate, shard([event()]))).toMatchObject({ status: 200, isProven: true });
    expect(told.lines.filter((line) => line.includes(`"key":"${edge[0].id}"`))).toHaveLength(1);
  });

  test('a key that was taken out is refused', async () => {
    await openWith({ relay: { keys: relayKeys(next) } });
    expect(await postRelay(gate, shard([event()]))).toMatchObject({ status: 401, isProven: false });
  });
});

describe('one message that comes to the edge and to Node is one run', () => {
  /** What the edge makes of a delivery: it runs the same code with the same keys, over a store of its own. */
  async function atTheEdge(payload: unknown): Promise<InboundEvent> {
    const edge = await openRelayGate();
    try {
      const { eventId } = await postSlack(edge.app, payload);
      const record = await edge.store.events.get('default', eventId ?? '');
      if (record === null) throw new Error('the edge accepted nothing');
      return record.event;
    } finally {
      await edge.stop();
    }
  }

  test('the edge first', async () => {
    const payload = message({ text: '<@U0BOT> hello' });
    const one = await atTheEdge(payload);
    expect((await postRelay(gate, shard([one]))).outcomes).toEqual(['accepted']);
    expect(await postSlack(gate.app, payload)).toMatchObject({ status: 200, outcome: 'duplicate', eventId: one.id });
    await gate.drain({ tenant: 'default', key: one.conversation.key });
    expect(await stored()).toMatchObject([{ event: { id: one.id }, state: 'done', deliveries: 2, runs: [{}] }]);
  });

  test('Node first', async () => {
    const payload = message({ text: '<@U0BOT> hello' });
    const one = await atTheEdge(payload);
    const { eventId } = await postSlack(gate.app, payload);
    expect((await postRelay(gate, shard([one]))).outcomes).toEqual(['duplicate']);
    await gate.drain({ tenant: 'default', key: one.conversation.key });
    expect(await stored()).toMatchObject([{ event: { id: eventId }, state: 'done', deliveries: 2, runs: [{}] }]);
  });

  test('with other content, a conflict', async () => {
    const ts = `${Math.floor(now / 1000)}.000100`;
    const one = await atTheEdge(message({ text: '<@U0BOT> hello', ts }));
    await postRelay(gate, shard([one]));
    expect((await postSlack(gate.app, message({ text: '<@U0BOT> other', ts }))).outcome).toBe('conflict');
  });
});

test('the log and the answers hold nothing of an event', async () => {
  const canary = 'c4n4ry';
  const one = event({ text: canary, payload: { canary }, author: { id: canary, kind: 'user' }, kind: canary });
  const bad = { ...relayed(one), event: { ...one, id: canary } };
  const answers = [
    await postRelay(gate, shard([one])),
    await postRelay(gate, shard([bad])),
    await postRelay(gate, JSON.stringify(shard([one], { epoch: canary }))),
    await postRelay(gate, `{"${canary}`),
    await postRelay(gate, shard([one]), { headers: { 'x-sallyport-relay-key': canary } }),
  ];
  expect(JSON.stringify([answers.map(({ text }) => text), told])).not.toContain(canary);
});
