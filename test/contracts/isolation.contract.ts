import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { scopeKinds } from '../../src/core/budget.ts';
import type { HeldReply, InboundEvent } from '../../src/core/event.ts';
import type { ConversationRef, HeldLease } from '../../src/queue/lease.ts';
import {
  type AccountLimit,
  accountLimits,
  type Reservation,
  type ReserveRequest,
  type Spender,
} from '../../src/queue/ledger.ts';
import type { Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { altered, conversationNamed, conversationOf, createEventMaker, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, headOf, recordOf, type StoreHarness, takeHead } from './harness.ts';

/** Every port of a store. */
type Ports = Omit<Store, 'check' | 'close'>;

interface World {
  readonly store: Store;
  readonly clock: FakeClock;
  /** What the other tenant has. */
  readonly acme: Tenant;
}

/** A case, or why the method has nothing to keep apart. */
type Case = ((world: World) => Promise<void>) | `no tenant: ${string}`;

/** One case for each method of each port: a method that is added does not compile without one. */
type Cases = { readonly [P in keyof Ports]: { readonly [M in keyof Ports[P]]: Case } };

/** One event in each state that a port can act on, and a little of everything else a store keeps. */
interface Tenant {
  readonly name: string;
  readonly queued: InboundEvent;
  readonly conflict: InboundEvent;
  readonly parked: InboundEvent;
  readonly ambiguous: InboundEvent;
  readonly held: InboundEvent;
  readonly waiting: InboundEvent;
  readonly done: InboundEvent;
  readonly running: InboundEvent;
  readonly lease: HeldLease;
  readonly reservation: Reservation;
}

const HOUR_MS = 3_600_000;
const STEP = 'callback:1';
const DIGEST = 'digest-1';

/** The same sender-made values for every tenant. The conversation key does not depend on the tenant either. */
const sameIn = (tenant: string, line: string): Partial<InboundEvent> => ({
  tenant,
  identity: { key: line.padEnd(22, 'k'), fingerprint: 'f'.repeat(22) },
  conversation: conversationNamed(line),
});

const foreign = (event: InboundEvent): ConversationRef => ({ ...conversationOf(event), tenant: 'globex' });

const heldReply = (clock: FakeClock): HeldReply => ({
  text: 'hello',
  digest: DIGEST,
  version: 1,
  generation: 1,
  heldAt: clock.now(),
  expiresAt: clock.now() + HOUR_MS,
  requester: { id: 'U1', kind: 'user' },
});

const limitOf = (account: string): AccountLimit => ({
  ...{ scope: 'tenant', account, resource: 'usdMicros', window: 'day', max: 10 },
});

const requestOf = (id: string, tenant: string): ReserveRequest => ({
  ...{ id, tenant, amounts: { usdMicros: 10 }, limits: [limitOf(tenant)], ttlMs: HOUR_MS },
});

async function populate(store: Store, clock: FakeClock, name: string): Promise<Tenant> {
  const event = createEventMaker(clock.now);
  const accept = (line: string): Promise<InboundEvent> => acceptOne(store, event(sameIn(name, line)));
  const take = async (line: string) => {
    const accepted = await accept(line);
    return { accepted, ...(await takeHead(store, conversationOf(accepted))) };
  };

  const ambiguous = await take('ambiguous');
  await store.journal.record(ambiguous.lease, 'reply', { kind: 'intent', value: { text: `${name} reply` } }, 0);
  const code = 'ERR_AMBIGUOUS_EFFECT';
  await store.lease.finish(ambiguous.lease, { kind: 'parked', run: runEnding('parked', { code }), code }, false);
  const held = await take('held');
  await store.lease.finish(held.lease, { kind: 'review', run: runEnding('review'), review: heldReply(clock) }, false);
  const waiting = await take('waiting');
  const wait = { kind: 'wait', run: runEnding('waiting'), awaited: STEP, delayMs: HOUR_MS } as const;
  await store.lease.finish(waiting.lease, wait, false);
  const done = await accept('done');
  await finishHead(store, conversationOf(done));
  const parked = await accept('parked');
  await store.events.park(name, parked.id);
  const running = await take('running');
  await store.journal.record(running.lease, 'model:1', { kind: 'result', value: `${name} result` }, 0);

  await store.records.compareAndSet(name, 'cursors', 'a', 0, `${name} cursor`);
  await store.audit.append(name, [
    { at: clock.now(), actor: 'system', action: 'event.parked', subject: parked.id, data: { code: 'ERR_INTERNAL' } },
  ]);
  const reserved = await store.ledger.reserve(requestOf(`${name}-1`, name));
  if (reserved.kind !== 'reserved') throw new Error(`expected a reservation, got ${reserved.kind}`);
  const queued = await accept('queued');
  const conflict = altered(queued);
  await store.inbox.accept([conflict]);
  return {
    name,
    queued,
    conflict,
    parked,
    ambiguous: ambiguous.accepted,
    held: held.accepted,
    waiting: waiting.accepted,
    done,
    running: running.accepted,
    lease: running.lease,
    reservation: reserved.reservation,
  };
}

/** Everything that can be read of a tenant. */
async function snapshot(store: Store, { name, lease, ambiguous }: Tenant) {
  return {
    events: (await store.events.list(name, { limit: 200 })).events,
    parked: (await store.events.list(name, { state: 'parked', limit: 200 })).events,
    journal: await store.journal.replay(lease),
    effects: await store.journal.replay({ ...lease, eventId: ambiguous.id }),
    records: await store.records.list(name, 'cursors'),
    audit: await store.audit.read(name, { from: 1, limit: 1_000 }),
    head: await store.audit.head(name),
    usage: await store.ledger.usage([limitOf(name)]),
    isKilled: (await store.ledger.killed()).has(name),
  };
}

const cases: Cases = {
  inbox: {
    async accept({ store, clock, acme }) {
      const event = createEventMaker(clock.now);
      const mine = ['queued', 'done', 'running'].map((line) => event(sameIn('globex', line)));
      const twins = mine.map((one) => ({ ...one, id: event().id, mentioned: true }));
      const others = mine.map((one) => altered(one));
      expect(await store.inbox.accept([...mine, ...twins, ...others])).toEqual([
        ...mine.map(({ id }) => ({ outcome: 'accepted', id })),
        ...mine.map(({ id }) => ({ outcome: 'duplicate', id })),
        ...others.map(({ id }) => ({ outcome: 'conflict', id })),
      ]);
      expect((await store.events.list('globex', { limit: 200 })).events).toHaveLength(6);
      expect((await recordOf(store, acme.queued)).event.mentioned).toBe(false);
    },
  },
  events: {
    async get({ store, acme }) {
      for (const each of eventsOf(acme)) expect(await store.events.get('globex', each.id)).toBeNull();
    },
    async list({ store, clock, acme }) {
      expect(await store.events.list('globex', { limit: 200 })).toEqual({ events: [] });
      for (const state of ['queued', 'parked', 'review', 'waiting', 'running', 'done'] as const) {
        expect(await store.events.list('globex', { state, limit: 200 })).toEqual({ events: [] });
        expect(await store.events.list('globex', { state, channel: 'slack', limit: 200 })).toEqual({ events: [] });
      }
      // A page's cursor is no key to what another tenant has.
      const { cursor = '' } = await store.events.list(acme.name, { limit: 1 });
      expect(await store.events.list('globex', { limit: 200, cursor })).toEqual({ events: [] });
      const mine = await acceptOne(store, createEventMaker(clock.now)(sameIn('globex', 'queued')));
      expect((await store.events.list('globex', { limit: 200 })).events).toMatchObject([{ event: { id: mine.id } }]);
    },
    async redrive({ store, acme }) {
      expect(await store.events.redrive('globex', acme.parked.id)).toEqual({ kind: 'not_found' });
      expect(await store.lease.take(foreign(acme.parked))).toEqual({ kind: 'empty' });
    },
    async resolve({ store, acme }) {
      for (const outcome of ['delivered', 'not_delivered'] as const) {
        const answer = await store.events.resolve('globex', acme.ambiguous.id, 'reply', outcome);
        expect(answer).toEqual({ kind: 'not_found' });
      }
    },
    async park({ store, acme }) {
      for (const each of [acme.queued, acme.waiting, acme.running]) {
        expect(await store.events.park('globex', each.id)).toEqual({ kind: 'not_found' });
      }
    },
  },
  reviews: {
    async decide({ store, clock, acme }) {
      const by = { by: 'ada', at: clock.now() };
      const edit = { kind: 'edit', by: 'ada', text: 'mine', digest: 'digest-2' } as const;
      for (const action of [{ kind: 'approve', ...by } as const, { kind: 'reject', ...by } as const, edit]) {
        expect(await store.reviews.decide('globex', acme.held.id, DIGEST, action)).toEqual({ kind: 'not_found' });
      }
    },
    async sweep({ store }) {
      await store.reviews.sweep('globex');
    },
  },
  jobs: {
    consume: 'no tenant: it hands out conversations of all tenants, each with its own; see "work" below',
    stats: 'no tenant: figures of the whole installation',
    parked: 'no tenant: figures of the whole installation',
    async awaitResult({ store, acme }) {
      for (const each of [acme.done, acme.parked, acme.held]) {
        expect(await store.jobs.awaitResult('globex', each.id, 1)).toBeNull();
      }
    },
  },
  lease: {
    async take({ store, acme }) {
      for (const each of eventsOf(acme)) expect(await store.lease.take(foreign(each))).toEqual({ kind: 'empty' });
    },
    async extend({ store, acme }) {
      expect(await store.lease.extend({ ...acme.lease, conversation: foreign(acme.running) })).toBe(false);
    },
    async finish({ store, acme }) {
      const lease = { ...acme.lease, conversation: foreign(acme.running) };
      const done = { kind: 'done', run: runEnding('replied') } as const;
      expect(await store.lease.finish(lease, done, true)).toEqual({ kind: 'stale' });
    },
    acquire: 'no tenant: its name is the caller’s',
  },
  journal: {
    async record({ store, acme }) {
      const lease = { ...acme.lease, conversation: foreign(acme.running) };
      expect(await store.journal.record(lease, 'model:1', { kind: 'result', value: 'mine' }, 0)).toBe(false);
    },
    async replay({ store, acme }) {
      const lease = { ...acme.lease, conversation: foreign(acme.running) };
      expect(await store.journal.replay(lease)).toEqual(new Map());
    },
    now: 'no tenant: it is the clock of the store',
  },
  callbacks: {
    async accept({ store, acme }) {
      const callback = { generation: 1, step: STEP, value: 'mine' };
      for (const each of [acme.waiting, acme.running, acme.queued]) {
        expect(await store.callbacks.accept('globex', each.id, callback)).toEqual({ kind: 'not_found' });
      }
    },
  },
  records: {
    async get({ store }) {
      expect(await store.records.get('globex', 'cursors', 'a')).toBeNull();
    },
    async list({ store }) {
      expect(await store.records.list('globex', 'cursors')).toEqual(new Map());
    },
    async compareAndSet({ store, acme }) {
      const { revision = 0 } = (await store.records.get(acme.name, 'cursors', 'a')) ?? {};
      for (const value of [null, 'mine']) {
        expect(await store.records.compareAndSet('globex', 'cursors', 'a', revision, value)).toBe(false);
      }
      expect(await store.records.compareAndSet('globex', 'cursors', 'a', 0, 'mine')).toBe(true);
      const mine = (await store.records.get('globex', 'cursors', 'a'))?.revision ?? 0;
      expect(await store.records.compareAndSet('globex', 'cursors', 'a', mine, null)).toBe(true);
    },
    unreadable: 'no tenant: it only reports to the log',
  },
  ledger: {
    async reserve({ store }) {
      expect((await store.ledger.reserve(requestOf('globex-1', 'globex'))).kind).toBe('reserved');
      expect((await store.ledger.reserve(requestOf('globex-2', 'globex'))).kind).toBe('exhausted');
    },
    settle: 'no tenant: a reservation is named by its own random id',
    async usage({ store }) {
      expect(await store.ledger.usage([limitOf('globex')])).toMatchObject([{ spent: 0, reserved: 0 }]);
    },
    async kill({ store, acme }) {
      await store.ledger.kill('globex', true);
      expect(await store.ledger.reserve(requestOf('globex-1', 'globex'))).toEqual({ kind: 'killed' });
      const free = { ...requestOf('acme-2', acme.name), amounts: {} };
      expect((await store.ledger.reserve(free)).kind).toBe('reserved');
      await store.ledger.kill(acme.name, true);
      await store.ledger.kill('globex', false);
      expect(await store.ledger.killed()).toEqual(new Set([acme.name]));
      await store.ledger.kill(acme.name, false);
    },
    killed: 'no tenant: every kill switch that is on',
  },
  limits: {
    take: 'no tenant: a key is a digest of all that it counts, the tenant of a subject included',
    lockedFor: 'no tenant: as take',
    fail: 'no tenant: as take',
    addUp: 'no tenant: as take',
  },
  erasure: {
    async erase({ store }) {
      const erased = await store.erasure.erase({ tenant: 'globex', channel: 'slack', user: 'U1' });
      expect(erased).toEqual({ events: 0, cancelled: 0 });
    },
    flush: 'no tenant: it concerns the files of the store',
  },
  audit: {
    async append({ store, clock }) {
      const note = { at: clock.now(), actor: 'system', action: 'event.parked', subject: 'mine', data: {} } as const;
      expect((await store.audit.append('globex', [note, note])).seq).toBe(2);
    },
    async read({ store }) {
      expect(await store.audit.read('globex', { from: 1, limit: 1_000 })).toEqual([]);
    },
    async head({ store }) {
      expect((await store.audit.head('globex')).seq).toBe(0);
    },
  },
};

const eventsOf = (tenant: Tenant): InboundEvent[] => [
  ...[tenant.queued, tenant.conflict, tenant.parked, tenant.ambiguous, tenant.held],
  ...[tenant.waiting, tenant.done, tenant.running],
];

/** What every store promises about tenants: whatever one does, with whatever ids, another neither shows nor notices. */
export function isolationContract(name: string, harness: StoreHarness): void {
  describe(`${name} tenants`, () => {
    let clock: FakeClock;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    const table = Object.entries(cases).flatMap(([port, methods]) =>
      Object.entries(methods).flatMap(([method, act]: [string, Case]) =>
        typeof act === 'string' ? [] : [[`${port}.${method}`, act] as const],
      ),
    );
    it.each(table)('%s shows another tenant nothing and changes nothing of it', async (_, act) => {
      const acme = await populate(store, clock, 'acme');
      const before = await snapshot(store, acme);
      expect(before.events).toHaveLength(8);
      await act({ store, clock, acme });
      expect(await snapshot(store, acme)).toEqual(before);
      expect(await store.lease.extend(acme.lease)).toBe(true);
    });

    it('with the same identities, conversations, steps and names each have their own', async () => {
      const acme = await populate(store, clock, 'acme');
      const before = await snapshot(store, acme);
      const globex = await populate(store, clock, 'globex');
      expect(await snapshot(store, acme)).toEqual(before);
      const theirs = await snapshot(store, globex);
      expect(JSON.stringify([theirs, [...theirs.journal], [...theirs.records]])).not.toContain('acme');
      expect(theirs.events.map(({ event }) => event.id).sort()).toEqual(
        eventsOf(globex)
          .map(({ id }) => id)
          .sort(),
      );

      // Whatever a tenant may do, done to its own.
      const by = { by: 'ada', at: clock.now() };
      expect((await store.reviews.decide('globex', globex.held.id, DIGEST, { kind: 'approve', ...by })).kind).toBe(
        'ok',
      );
      const said = { generation: 1, step: STEP, value: 'mine' };
      expect(await store.callbacks.accept('globex', globex.waiting.id, said)).toEqual({ kind: 'accepted' });
      expect((await store.events.park('globex', globex.queued.id)).kind).toBe('ok');
      expect((await store.events.redrive('globex', globex.parked.id)).kind).toBe('ok');
      expect((await store.events.resolve('globex', globex.ambiguous.id, 'reply', 'delivered')).kind).toBe('ok');
      expect(await store.journal.record(globex.lease, 'model:1', { kind: 'result', value: 'other' }, 0)).toBe(true);
      expect((await store.lease.finish(globex.lease, { kind: 'done', run: runEnding('replied') }, false)).kind).toBe(
        'empty',
      );
      await store.ledger.settle(globex.reservation, { usdMicros: 1 });
      expect(await snapshot(store, acme)).toEqual(before);
      expect(await store.lease.extend(acme.lease)).toBe(true);
    });

    it.each([
      ['events that wait', { queueCap: 2 }, 'full'],
      ['events of a channel', { channelRate: { count: 2, windowMs: HOUR_MS } }, 'limited'],
    ] as const)('have a limit of their own on %s', async (_, limits, outcome) => {
      const limited = await harness.open({ clock: clock.now, limits });
      const event = createEventMaker(clock.now);
      const outcomesOf = async (tenant: string) =>
        (await limited.inbox.accept([event({ tenant }), event({ tenant }), event({ tenant })])).map(
          (one) => one.outcome,
        );
      // One after the other, and both in one step.
      for (const tenant of ['acme', 'globex']) {
        expect(await outcomesOf(tenant)).toEqual(['accepted', 'accepted', outcome]);
      }
      const both = ['initech', 'umbrella'].flatMap((tenant) => [event({ tenant }), event({ tenant })]);
      expect((await limited.inbox.accept(both)).map((one) => one.outcome)).toEqual(Array(4).fill('accepted'));
    });

    it('that wrote to the same conversation key are worked for one by one, each event for its own', async () => {
      const event = createEventMaker(clock.now);
      const both = [event(sameIn('acme', 'line')), event(sameIn('globex', 'line'))];
      for (const each of both) await acceptOne(store, each);
      const ran: string[] = [];
      const consumer = store.jobs.consume({
        concurrency: 2,
        run: async (ref) => {
          const { record } = headOf(await store.lease.take(ref));
          ran.push(`${ref.tenant} ${record.event.tenant} ${record.event.id}`);
        },
      });
      await vi.waitFor(() => expect(ran).toHaveLength(2), { timeout: 15_000 });
      await consumer.close(1_000);
      expect(ran.toSorted()).toEqual(both.map(({ tenant, id }) => `${tenant} ${tenant} ${id}`).toSorted());
    });

    it('do not count against each other, not even under the same names', async () => {
      const limits = { conversation: { runs: { day: 1 } }, user: { runs: { day: 1 } }, channel: { runs: { day: 1 } } };
      const spenders = ['acme', 'globex'].map(
        (tenant): Spender => ({ tenant, channel: 'slack', user: 'u1', conversation: 'c1', run: 'ev_1:1' }),
      );
      for (const scope of scopeKinds) {
        const [first, second] = spenders.map((spender) =>
          accountLimits({ [scope]: limits.channel }, spender).map(({ account }) => account),
        );
        if (scope === 'global') expect(first).toEqual(second);
        else expect(first).not.toEqual(second);
      }
      const kinds: string[] = [];
      for (const spender of [...spenders, ...spenders]) {
        const request = { id: `${kinds.length}`, tenant: spender.tenant, amounts: { runs: 1 }, ttlMs: HOUR_MS };
        kinds.push((await store.ledger.reserve({ ...request, limits: accountLimits(limits, spender) })).kind);
      }
      expect(kinds).toEqual(['reserved', 'reserved', 'exhausted', 'exhausted']);
    });
  });
}
