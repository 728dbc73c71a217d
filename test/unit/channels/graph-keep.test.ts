import { afterEach, describe, expect, it } from 'vitest';
import type { Kept } from '../../../src/channels/graph/sync/kept.ts';
import type { GraphAsked, GraphFault } from '../../../src/testing/graph/server.ts';
import { createFakeClock } from '../../support/clock.ts';
import { type GraphGate, type GraphGateOptions, openGraphGate, PUBLIC_URL } from '../../support/graph-gate.ts';

/** The life of subscriptions: made, adopted, renewed, reauthorized, remade, ended. */

const MAILBOX = 'users/agent@example.com/messages';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

let gates: GraphGate[] = [];
afterEach(async () => {
  await Promise.all(gates.map((gate) => gate.stop()));
  gates = [];
});

const open = async (options: GraphGateOptions = {}): Promise<GraphGate> => {
  const gate = await openGraphGate({ keep: [MAILBOX], changeType: 'created', ...options });
  gates.push(gate);
  return gate;
};

const settle = async (gate: GraphGate): Promise<void> => {
  await gate.graph.pushes.deliver();
  await gate.work();
};

const onlyKept = async (gate: GraphGate): Promise<Kept | undefined> => [...(await gate.kept.list()).values()][0];

const calls = (gate: GraphGate, method: string, path: RegExp): number =>
  gate.graph.calls.filter((call) => call.method === method && path.test(call.path)).length;

/** Faults by a list: each matching request takes the next one. */
const failing = (
  fits: (asked: GraphAsked) => boolean,
  faults: (GraphFault | undefined)[],
): NonNullable<GraphGateOptions['graph']> => ({
  fault: (asked) => (fits(asked) ? faults.shift() : undefined),
});

const isCreate = ({ method, path }: GraphAsked): boolean => method === 'POST' && path === '/subscriptions';
const isRenewal = ({ method }: GraphAsked): boolean => method === 'PATCH';

/** As a later release might have left it. */
const later = { v: 2, cursor: 'everything up to here has been accepted' };

describe('a subscription', () => {
  it('of a later release stays as it is, is reported, and keeps no other from being kept', async () => {
    const other = 'users/other@example.com/messages';
    const gate = await open({ keep: [MAILBOX, other] });
    const nonce = gate.states.nonceOf('default', MAILBOX, 'created');
    await gate.store.records.compareAndSet('default', 'graph-subscriptions', nonce, 0, later);
    const { sources } = await gate.keep();
    expect((await gate.store.records.get('default', 'graph-subscriptions', nonce))?.value).toEqual(later);
    expect(sources).toMatchObject([
      { name: MAILBOX, state: 'failing', code: 'ERR_STORE_MISMATCH' },
      { name: other, state: 'active' },
    ]);
  });

  it('is made with both URLs, our secret and ids that do not change; both handshakes are answered meanwhile', async () => {
    const gate = await open();
    const { sources } = await gate.keep();
    const [made] = gate.graph.subscriptions();
    const nonce = gate.states.nonceOf('default', MAILBOX, 'created');
    expect(made).toMatchObject({
      resource: MAILBOX,
      notificationUrl: `${PUBLIC_URL}/hooks/graph/default/${nonce}`,
      lifecycleNotificationUrl: `${PUBLIC_URL}/hooks/graph/default/lifecycle/${nonce}`,
      clientState: gate.states.stateOf('default', nonce),
    });
    const create = gate.graph.calls.find(isCreate);
    expect(create?.headers.get('prefer')).toBe('IdType="ImmutableId"');
    expect(sources).toEqual([
      { name: MAILBOX, state: 'active', expiresAt: made?.expiresAt, lastEventAt: null, startedAt: gate.clock.now() },
    ]);
  });

  it('tells of a mail before our own create call has returned, and the mail runs', async () => {
    const gate: GraphGate = await open({
      graph: {
        fault: (asked) => {
          // The answer to the create call is lost: nothing is recorded of the subscription.
          return isCreate(asked) ? { kind: 'drop', after: 'effect' } : undefined;
        },
      },
    });
    await gate.keep();
    expect((await onlyKept(gate))?.id).toBeNull();
    gate.graph.mail('agent@example.com', { text: 'early' });
    await settle(gate);
    expect(gate.graph.replies).toMatchObject([{ text: 'echo: Hello\n\nearly' }]);
  });

  it('whose create answer was lost is adopted, not made twice', async () => {
    const gate = await open({ graph: failing(isCreate, [{ kind: 'drop', after: 'effect' }]) });
    expect((await gate.keep()).sources).toMatchObject([{ state: 'lapsed', code: 'ERR_SOURCE_UNAVAILABLE' }]);
    gate.clock.advance(MINUTE_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'active' }]);
    const [made] = gate.graph.subscriptions();
    expect(gate.graph.subscriptions()).toHaveLength(1);
    expect(await onlyKept(gate)).toMatchObject({ id: made?.id, expiresAt: made?.expiresAt, failure: null });
    expect(calls(gate, 'DELETE', /./)).toBe(0);
  });

  it('that belongs to another address is replaced', async () => {
    const gate = await open();
    await gate.graph.subscribe({
      resource: `/${MAILBOX}`,
      changeType: 'created',
      notificationUrl: `${PUBLIC_URL}/hooks/graph/default`,
      clientState: 'whatever',
      expirationDateTime: new Date(gate.clock.now() + DAY_MS).toISOString(),
    });
    await gate.keep();
    const nonce = gate.states.nonceOf('default', MAILBOX, 'created');
    expect(gate.graph.subscriptions()).toMatchObject([{ notificationUrl: expect.stringContaining(nonce) }]);
  });

  it('is remembered with the end Graph gave, not the one that was asked for', async () => {
    const gate = await open({ graph: { lifeMs: 45 * MINUTE_MS } });
    await gate.keep();
    expect(await onlyKept(gate)).toMatchObject({ expiresAt: gate.clock.now() + 45 * MINUTE_MS });
    gate.clock.advance(23 * MINUTE_MS);
    await gate.keep();
    expect(await onlyKept(gate)).toMatchObject({ expiresAt: gate.clock.now() + 45 * MINUTE_MS });
  });

  it.each([
    [0, 0.4],
    [0.999, 0.4999],
  ])('is renewed before half of its life, at a time of its own (chance %d)', async (random, share) => {
    const gate = await open({ random: () => random });
    await gate.keep();
    const start = gate.clock.now();
    const life = ((await onlyKept(gate))?.expiresAt ?? 0) - start;
    expect(life).toBeGreaterThan(6 * DAY_MS);
    gate.clock.advance(life * share - MINUTE_MS);
    await gate.keep();
    expect(calls(gate, 'PATCH', /./)).toBe(0);
    gate.clock.advance(2 * MINUTE_MS);
    await gate.keep();
    expect(calls(gate, 'PATCH', /./)).toBe(1);
    expect((await onlyKept(gate))?.expiresAt).toBe(gate.clock.now() + life);
  });

  it('lives as long as its resource allows', async () => {
    const chat = 'chats/19:abc@thread.v2/messages';
    const rich = `users/b@example.com/messages?$select=subject,body`;
    const gate = await open({ keep: [chat, rich], isRich: true });
    await gate.keep();
    const lives = new Map(gate.graph.subscriptions().map((one) => [one.resource, one.expiresAt - gate.clock.now()]));
    expect(lives.get(chat)).toBe(4_315 * MINUTE_MS);
    expect(lives.get(rich)).toBe(1_435 * MINUTE_MS);
  });

  it('whose renewal fails goes on, is reported as failing, and is tried again until it succeeds', async () => {
    const down: GraphFault = { kind: 'status', status: 503, retryAfter: 300 };
    const gate = await open({ graph: failing(isRenewal, [down, { kind: 'drop', after: 'nothing' }]) });
    await gate.keep();
    gate.clock.advance(4 * DAY_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'failing', code: 'ERR_SOURCE_UNAVAILABLE' }]);
    gate.clock.advance(299_000);
    await gate.keep();
    expect(calls(gate, 'PATCH', /./)).toBe(1);
    gate.clock.advance(1_000);
    await gate.keep();
    gate.clock.advance(MINUTE_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'active' }]);
    expect(calls(gate, 'PATCH', /./)).toBe(3);
  });

  it('that ended without a word is missed within a quarter of an hour', async () => {
    const gate = await open();
    await gate.keep();
    const [first] = gate.graph.subscriptions();
    if (first !== undefined) gate.graph.endSubscription(first);
    gate.clock.advance(15 * MINUTE_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'active' }]);
    expect(gate.graph.subscriptions()).toHaveLength(1);
  });

  it('that is gone when it is to be renewed is made again, and what came meanwhile is fetched', async () => {
    // Nobody can see what there is, so only the renewal finds out.
    const cannotList = ({ method, path }: GraphAsked) => method === 'GET' && path === '/subscriptions';
    const gate = await open({
      graph: { fault: (asked) => (cannotList(asked) ? { kind: 'status', status: 503 } : undefined) },
    });
    await gate.keep();
    const [first] = gate.graph.subscriptions();
    if (first !== undefined) gate.graph.endSubscription(first);
    gate.clock.advance(HOUR_MS);
    gate.graph.mail('agent@example.com', { text: 'nobody told' });
    gate.clock.advance(4 * DAY_MS);
    await gate.keep();
    await settle(gate);
    const [second] = gate.graph.subscriptions();
    expect(second?.id).not.toBe(first?.id);
    expect(gate.graph.replies).toMatchObject([{ text: 'echo: Hello\n\nnobody told' }]);
  });

  it('is made again for another certificate or address, and nothing is lost in between', async () => {
    const clock = createFakeClock();
    const gate = await open({ clock });
    await gate.keep();
    const nonce = gate.states.nonceOf('default', MAILBOX, 'created');
    await gate.kept.update(nonce, () => ({ madeWith: 'https://old.example/hooks/graph/default/x ' }));
    const [first] = gate.graph.subscriptions();
    await gate.keep();
    expect(gate.graph.subscriptions()).toHaveLength(1);
    expect(gate.graph.subscriptions()[0]?.id).not.toBe(first?.id);
    expect(calls(gate, 'GET', /\/users\/[^/]+\/messages$/)).toBe(1);
  });

  it('nobody wants any more is ended', async () => {
    const gate = await open({ keep: [MAILBOX] });
    await gate.keep();
    await gate.kept.ensure('unwanted-nonce-22-chars', { resource: 'users/x/messages', changeType: 'created' }, 0);
    const { body } = await gate.graph.subscribe({
      resource: 'users/x@example.com/messages',
      changeType: 'created',
      notificationUrl: `${PUBLIC_URL}/hooks/graph/default`,
      expirationDateTime: new Date(gate.clock.now() + DAY_MS).toISOString(),
    });
    await gate.kept.update('unwanted-nonce-22-chars', () => ({ id: String((body as { id: string }).id) }));
    await gate.keep();
    expect(gate.graph.subscriptions().map(({ resource }) => resource)).toEqual([MAILBOX]);
    expect((await gate.kept.list()).size).toBe(1);
  });

  it('that cannot be made keeps no other from being made', async () => {
    const gate = await open({
      keep: [MAILBOX, 'users/b@example.com/messages'],
      graph: failing((asked) => isCreate(asked), [{ kind: 'status', status: 403 }]),
    });
    const { sources } = await gate.keep();
    expect(sources.map(({ state }) => state).toSorted()).toEqual(['active', 'lapsed']);
    expect(sources.find(({ state }) => state === 'lapsed')?.code).toBe('ERR_SOURCE_REJECTED');
  });

  it('is one although two keepers make it at the same moment', async () => {
    const gate = await open();
    await Promise.all([gate.keep(), gate.keep()]);
    gate.clock.advance(MINUTE_MS);
    await gate.keep();
    expect(gate.graph.subscriptions()).toHaveLength(1);
    expect((await onlyKept(gate))?.id).toBe(gate.graph.subscriptions()[0]?.id);
  });
});

describe('what was not told', () => {
  it('is listed every quarter of an hour: of chats Graph never says that it lost something', async () => {
    const chat = 'chats/19:abc@thread.v2/messages';
    const gate = await open({ keep: [chat], graph: { disturb: () => ({ copies: 0 }) } });
    await gate.keep();
    gate.clock.advance(MINUTE_MS);
    gate.graph.chat('19:abc@thread.v2', { text: 'lost' });
    await settle(gate);
    expect(await gate.events()).toEqual([]);
    gate.clock.advance(15 * MINUTE_MS);
    await gate.keep();
    expect((await gate.events()).map(({ event }) => event.destination)).toMatchObject([{ kind: 'chat' }]);
  });

  it('is listed page by page to the end, and each message is accepted once', async () => {
    const gate = await open({ graph: { disturb: () => ({ copies: 0 }) } });
    await gate.keep();
    for (let i = 0; i < 250; i += 1) {
      gate.clock.advance(1_000);
      gate.graph.mail('agent@example.com', { text: `mail ${i}` });
    }
    gate.clock.advance(HOUR_MS);
    await gate.keep();
    gate.clock.advance(HOUR_MS);
    await gate.keep();
    expect(await gate.events()).toHaveLength(250);
    expect(calls(gate, 'GET', /\/users\/[^/]+\/messages$/)).toBeGreaterThanOrEqual(4);
  });

  it('does not run again what was told under the GUID of an address', async () => {
    const gate = await open();
    await gate.keep();
    gate.graph.mail('agent@example.com', { text: 'told' });
    await settle(gate);
    gate.clock.advance(HOUR_MS);
    await gate.keep();
    await settle(gate);
    expect(gate.graph.replies).toHaveLength(1);
  });

  it('is not fetched from before the subscription', async () => {
    const clock = createFakeClock();
    const gate = await open({ clock });
    gate.graph.mail('agent@example.com', { text: 'before' });
    clock.advance(MINUTE_MS);
    await gate.keep();
    clock.advance(HOUR_MS);
    await gate.keep();
    expect(await gate.events()).toEqual([]);
  });

  it('waits for the store: a listing that cannot be accepted is listed again', async () => {
    let isFull = true;
    const gate = await open({
      graph: { disturb: () => ({ copies: 0 }) },
      around: (store) => ({
        ...store,
        inbox: {
          accept: async (events) => (isFull ? events.map(() => ({ outcome: 'full' })) : store.inbox.accept(events)),
        },
      }),
    });
    await gate.keep();
    gate.clock.advance(MINUTE_MS);
    gate.graph.mail('agent@example.com', { text: 'patient' });
    gate.clock.advance(HOUR_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'failing', code: 'ERR_QUEUE_FULL' }]);
    isFull = false;
    gate.clock.advance(HOUR_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'active' }]);
    expect(await gate.events()).toHaveLength(1);
  });

  it('in all chats of a tenant cannot be listed, which keeps nothing else from being done', async () => {
    const gate = await open({ keep: ['chats/getAllMessages'] });
    await gate.keep();
    gate.clock.advance(HOUR_MS);
    expect((await gate.keep()).sources).toMatchObject([{ state: 'active' }]);
  });
});

describe('lifecycle notifications', () => {
  const first = (gate: GraphGate) => gate.graph.subscriptions()[0];
  const tell = async (gate: GraphGate, event: string): Promise<void> => {
    const subscription = first(gate);
    if (subscription === undefined) throw new Error('there is no subscription');
    gate.graph.lifecycle(subscription, event);
    await settle(gate);
  };

  it('reauthorizationRequired prolongs the subscription, once in ten minutes', async () => {
    const gate = await open();
    await gate.keep();
    gate.clock.advance(HOUR_MS);
    await tell(gate, 'reauthorizationRequired');
    expect(first(gate)?.expiresAt).toBe((await onlyKept(gate))?.expiresAt);
    expect(calls(gate, 'PATCH', /./)).toBe(1);
    await tell(gate, 'reauthorizationRequired');
    expect(calls(gate, 'PATCH', /./)).toBe(1);
    gate.clock.advance(15 * MINUTE_MS);
    await tell(gate, 'reauthorizationRequired');
    expect(calls(gate, 'PATCH', /./)).toBe(2);
    expect((await gate.events()).map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  });

  it('subscriptionRemoved makes it again and fetches what came meanwhile; told twice, it does so once', async () => {
    const gate = await open();
    await gate.keep();
    const removed = first(gate);
    if (removed === undefined) throw new Error('there is no subscription');
    gate.graph.endSubscription(removed);
    gate.clock.advance(MINUTE_MS);
    gate.graph.mail('agent@example.com', { text: 'meanwhile' });
    gate.clock.advance(MINUTE_MS);
    for (let i = 0; i < 2; i += 1) {
      gate.graph.lifecycle(removed, 'subscriptionRemoved');
      await settle(gate);
    }
    expect(gate.graph.subscriptions()).toHaveLength(1);
    expect(calls(gate, 'POST', /^\/subscriptions$/)).toBe(2);
    await settle(gate);
    expect(gate.graph.replies).toMatchObject([{ text: 'echo: Hello\n\nmeanwhile' }]);
  });

  it('missed fetches what was lost, up to this moment', async () => {
    let isLossy = true;
    const gate = await open({ graph: { disturb: (item) => (isLossy && !item.lifecycleEvent ? { copies: 0 } : {}) } });
    await gate.keep();
    gate.clock.advance(MINUTE_MS);
    gate.graph.mail('agent@example.com', { text: 'missed' });
    isLossy = false;
    gate.clock.advance(1_000);
    await tell(gate, 'missed');
    await gate.work();
    expect(gate.graph.replies).toMatchObject([{ text: 'echo: Hello\n\nmissed' }]);
  });

  it('missed, hours apart, are two', async () => {
    const gate = await open();
    await gate.keep();
    await tell(gate, 'missed');
    gate.clock.advance(2 * HOUR_MS);
    await tell(gate, 'missed');
    expect(calls(gate, 'GET', /\/users\/[^/]+\/messages$/)).toBe(2);
    expect((await gate.events()).map(({ state }) => state)).toEqual(['done', 'done']);
  });

  it('are tried again while Graph is down', async () => {
    const down: GraphFault = { kind: 'status', status: 503 };
    const gate = await open({ graph: failing(isRenewal, [down, down]) });
    await gate.keep();
    await tell(gate, 'reauthorizationRequired');
    for (let i = 0; i < 3; i += 1) {
      gate.clock.advance(10_000);
      await gate.work();
    }
    expect(calls(gate, 'PATCH', /./)).toBe(3);
    expect((await gate.events()).map(({ state }) => state)).toEqual(['done']);
  });

  it('of a subscription made by hand prolong it and fetch what it missed, but cannot make it again', async () => {
    const gate = await open({ keep: [], graph: { disturb: (item) => (item.lifecycleEvent ? {} : { copies: 0 }) } });
    await gate.graph.subscribe({
      resource: MAILBOX,
      changeType: 'created',
      notificationUrl: `${PUBLIC_URL}/hooks/graph/default`,
      lifecycleNotificationUrl: `${PUBLIC_URL}/hooks/graph/default/lifecycle`,
      clientState: 'a-hand-made-client-state',
      expirationDateTime: new Date(gate.clock.now() + HOUR_MS).toISOString(),
    });
    await tell(gate, 'reauthorizationRequired');
    expect(first(gate)?.expiresAt).toBe(gate.clock.now() + 10_075 * MINUTE_MS);
    gate.graph.mail('agent@example.com', { text: 'missed' });
    gate.clock.advance(1_000);
    await tell(gate, 'missed');
    expect(gate.graph.replies).toMatchObject([{ text: 'echo: Hello\n\nmissed' }]);
    const subscription = first(gate);
    if (subscription !== undefined) gate.graph.removeSubscription(subscription);
    await settle(gate);
    expect(gate.graph.subscriptions()).toEqual([]);
    expect((await gate.events('ignored')).map(({ event }) => event.payload)).toMatchObject([
      { lifecycleEvent: 'subscriptionRemoved' },
    ]);
  });
});
