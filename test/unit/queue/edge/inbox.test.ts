import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import type { InboundEvent } from '../../../../src/core/event.ts';
import { createIdentifier } from '../../../../src/core/identity.ts';
import { createEdgeInbox, MAX_EVENT_BYTES, type ShardStub } from '../../../../src/queue/edge/inbox.ts';
import type { Entry } from '../../../../src/queue/edge/outbox.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { createEventMaker } from '../../../support/events.ts';

const event = createEventMaker(createFakeClock().now);
const identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));

interface Call {
  readonly tenant: string;
  readonly shard: string;
  readonly entries: readonly Entry[];
}

/** An inbox over stubs that record their calls; `behave` may fail or answer otherwise. */
function open(behave: (call: Call, n: number) => ReturnType<ShardStub['accept']> | undefined = () => undefined) {
  const calls: Call[] = [];
  const stubs: string[] = [];
  const inbox = createEdgeInbox({
    identifier,
    shards: 8,
    containerOf: ({ conversation }) => conversation.name,
    deadlineMs: 50,
    shardOf: (name) => {
      stubs.push(name);
      return {
        async accept(tenant, shard, entries) {
          const call = { tenant, shard, entries };
          calls.push(call);
          return (await behave(call, calls.length)) ?? entries.map(({ id }) => ({ outcome: 'accepted' as const, id }));
        },
      };
    },
  });
  return { inbox, calls, stubs };
}

const failing = (members: object) => Promise.reject(Object.assign(new Error('reset'), members));

test('events go to their shards with one call each, and answers come back in the order of the events', async () => {
  const { inbox, calls } = open();
  const events = Array.from({ length: 40 }, (_, n) => event(n % 5 === 0 ? { tenant: 'globex' } : {}));
  const answers = await inbox.accept(events);
  expect(answers).toEqual(events.map(({ id }) => ({ outcome: 'accepted', id })));
  expect(new Set(calls.map(({ shard }) => shard)).size).toBe(calls.length);
  expect(calls.length).toBeGreaterThan(4);
  for (const { tenant, shard, entries } of calls) {
    expect(shard).toMatch(new RegExp(`^${tenant}/[0-7]$`));
    const sent = entries.map(({ body }) => JSON.parse(body) as InboundEvent);
    expect(sent).toEqual(events.filter(({ id }) => sent.some((one) => one.id === id)));
  }
  expect(await inbox.accept([])).toEqual([]);
});

test('an entry says what the shard has to know of its event', async () => {
  const { inbox, calls } = open();
  const one = event({ seenUntil: 'start', mentioned: true });
  await inbox.accept([one]);
  expect(calls[0]?.entries).toEqual([
    {
      id: one.id,
      key: one.identity.key,
      fingerprint: one.identity.fingerprint,
      conversation: one.conversation.key,
      windowMs: one.windowMs,
      mentioned: true,
      fleeting: true,
      body: JSON.stringify(one),
    },
  ]);
});

test.each([
  ['restarted', { retryable: true }],
  ['was reset, by itself or by a deployment', { durableObjectReset: true }],
])(
  'a call that failed because the object %s is made once more over a fresh stub, with the same ids',
  async (_, members) => {
    const { inbox, calls, stubs } = open((_, n) => (n === 1 ? failing(members) : undefined));
    const one = event();
    expect(await inbox.accept([one])).toEqual([{ outcome: 'accepted', id: one.id }]);
    expect(calls.map(({ entries }) => entries.map(({ id }) => id))).toEqual([[one.id], [one.id]]);
    expect(stubs).toHaveLength(2);
  },
);

test.each<[string, object, number]>([
  ['fails again', { retryable: true }, 2],
  ['is overloaded', { retryable: true, overloaded: true }, 1],
  ['is reset again', { durableObjectReset: true }, 2],
  ['fails for good', { retryable: false }, 1],
  ['fails with an error of its own', { code: 'ERR_STORE_MISMATCH' }, 1],
])('a shard that %s means that the store is unavailable', async (_, members, count) => {
  const { inbox, calls } = open(() => failing(members));
  await expect(inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  expect(calls).toHaveLength(count);
});

test('one shard that fails fails the delivery, which its sender makes again', async () => {
  const { inbox } = open((_, n) => (n === 2 ? failing({}) : undefined));
  const events = Array.from({ length: 20 }, () => event());
  await expect(inbox.accept(events)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
});

test('a shard that hangs means that the store is unavailable', async () => {
  const { inbox } = open(() => new Promise(() => {}));
  await expect(inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
});

test('a failure after the deadline disturbs nothing', async () => {
  let fail = (_: Error): void => {};
  const { inbox } = open(
    () =>
      new Promise((_, reject) => {
        fail = reject;
      }),
  );
  await expect(inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  fail(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('an answer that does not fit the call is not believed', async () => {
  const { inbox } = open(async () => []);
  await expect(inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
});

test('an event that no batch can hold is refused before any shard is asked', async () => {
  const { inbox, calls } = open();
  const sized = (bytes: number): InboundEvent => {
    const bare = event({ text: '' });
    return { ...bare, text: 'é'.repeat((bytes - JSON.stringify(bare).length) / 2) };
  };
  await expect(inbox.accept([event(), sized(MAX_EVENT_BYTES + 2)])).rejects.toMatchObject({
    code: 'ERR_BODY_TOO_LARGE',
  });
  expect(calls).toEqual([]);
  expect(await inbox.accept([sized(MAX_EVENT_BYTES - 2)])).toMatchObject([{ outcome: 'accepted' }]);
});
