import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeldReply, InboundEvent } from '../../src/core/event.ts';
import { noUsage } from '../../src/core/event.ts';
import type { Person } from '../../src/queue/erasure.ts';
import { ASKER_STEP, TURN_STEP } from '../../src/queue/journal.ts';
import type { HeldLease, Outcome } from '../../src/queue/lease.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import {
  altered,
  conversationNamed,
  conversationOf,
  createEventMaker,
  deliveredAgain,
  type EventMaker,
  runEnding,
} from '../support/events.ts';
import { acceptOne, recordOf, type StoreHarness, takeHead } from './harness.ts';

const MARK = 'c4n4ry-said-by-ada';
const ADA = { id: 'UADA', kind: 'user' } as const;
const GRACE = { id: 'UGRACE', kind: 'user' } as const;
const ada: Person = { tenant: 'acme', channel: 'slack', user: ADA.id };
const usage = { ...noUsage, usdMicros: 17, modelCalls: 2 };

/** What every store promises about erasing what a person said. */
export function erasureContract(name: string, harness: StoreHarness): void {
  let clock: FakeClock;
  let event: EventMaker;
  let store: Store;

  const theirs = (overrides: Partial<InboundEvent> = {}): InboundEvent =>
    event({
      author: ADA,
      text: MARK,
      destination: { channel: 'C1', thread: MARK },
      payload: { text: MARK, nested: { again: MARK } },
      sealed: { response_url: MARK },
      ...overrides,
    });

  /** Every page; fails when it does not end. */
  async function eraseAll(person: Person = ada): Promise<{ events: number; cancelled: number; pages: number }> {
    let [events, cancelled, cursor] = [0, 0, undefined as string | undefined];
    for (let pages = 1; pages < 100; pages += 1) {
      const page = await store.erasure.erase(person, cursor);
      events += page.events;
      cancelled += page.cancelled;
      cursor = page.cursor;
      if (cursor === undefined) return { events, cancelled, pages };
    }
    throw new Error('the pages do not end');
  }

  const heldReply = (): HeldReply => ({
    text: MARK,
    digest: 'digest-1',
    version: 1,
    generation: 1,
    heldAt: clock.now(),
    expiresAt: clock.now() + 3_600_000,
    requester: ADA,
  });

  /** Accepts an event, runs it with a journal and ends the run so. */
  async function ended(outcome: (run: Outcome['run']) => Outcome, of = theirs()): Promise<InboundEvent> {
    const accepted = await acceptOne(store, of);
    const { lease } = await takeHead(store, conversationOf(accepted));
    await store.journal.record(lease, 'model:1', { kind: 'result', value: { text: MARK } }, 0);
    const run = runEnding('replied', { usage, reply: { text: MARK, state: 'delivered' } });
    await store.lease.finish(lease, outcome(run), false);
    return accepted;
  }

  const done = (of?: InboundEvent) => ended((run) => ({ kind: 'done', run }), of);
  const parked = (of?: InboundEvent) => ended((run) => ({ kind: 'parked', run, code: 'ERR_AMBIGUOUS_EFFECT' }), of);
  const held = () => ended((run) => ({ kind: 'review', run, review: heldReply() }));
  const waiting = () => ended((run) => ({ kind: 'wait', run, awaited: 'callback:1', delayMs: 3_600_000 }));
  const leaseOn = (of: InboundEvent): HeldLease => ({
    conversation: conversationOf(of),
    eventId: of.id,
    token: 0,
    run: 1,
  });

  /** Everything the store gives away about an event. */
  const allOf = async (of: InboundEvent): Promise<string> =>
    JSON.stringify([await recordOf(store, of), [...(await store.journal.replay(leaseOn(of)))]]);

  describe(`${name} erasure`, () => {
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    it('removes what was said from events in every state, and keeps state, ids, times, usage and identity of ended ones', async () => {
      const queued = await acceptOne(store, theirs());
      const conflict = altered(queued, MARK);
      await store.inbox.accept([conflict]);
      const ignored = await ended((run) => ({ kind: 'ignored', run }));
      const all = [queued, conflict, ignored, await done(), await parked(), await held(), await waiting()];
      const before = await Promise.all(all.map((one) => recordOf(store, one)));
      expect(await Promise.all(all.map(allOf))).toEqual(all.map(() => expect.stringContaining(MARK)));

      clock.advance(1_000);
      expect(await eraseAll()).toMatchObject({ events: 7, cancelled: 4 });
      const after = await Promise.all(all.map((one) => recordOf(store, one)));
      for (const [at, one] of all.entries()) {
        const text = await allOf(one);
        expect(text).not.toContain(MARK);
        expect(text).not.toContain(ADA.id);
        const { id, identity, receivedAt, conversation } = one;
        expect(after[at]?.event).toMatchObject({ id, identity, receivedAt, conversation, erasedAt: clock.now() });
        expect(after[at]?.runs.map((run) => [run.startedAt, run.outcome, run.usage])).toEqual(
          before[at]?.runs.map((run) => [run.startedAt, run.outcome, run.usage]),
        );
      }
      expect(after.map(({ state, failure }) => [state, failure?.code])).toEqual([
        ['ignored', 'ERR_ERASED'],
        ['conflict', undefined],
        ['ignored', undefined],
        ['done', undefined],
        ['ignored', 'ERR_ERASED'],
        ['ignored', 'ERR_ERASED'],
        ['ignored', 'ERR_ERASED'],
      ]);
    });

    it('does nothing twice', async () => {
      await done();
      expect(await eraseAll()).toMatchObject({ events: 1 });
      expect(await eraseAll()).toMatchObject({ events: 0, cancelled: 0 });
      expect(await eraseAll({ ...ada, user: 'erased' })).toMatchObject({ events: 0 });
    });

    it('leaves others alone: in the same conversation, on another channel, of another tenant, apps and strangers', async () => {
      const conversation = conversationNamed('C-shared');
      const others = [
        event({ author: GRACE, conversation, text: `what did ${ADA.id} say? ${JSON.stringify(ADA)}` }),
        event({ author: { id: 'UADA2', kind: 'user' } }),
        event({ author: { id: 'uada', kind: 'user' } }),
        event({ author: ADA, channel: 'teams' }),
        event({ author: ADA, tenant: 'globex' }),
        event({ author: { id: ADA.id, kind: 'app' } }),
        event({ author: { id: ADA.id, kind: 'unknown' } }),
      ];
      await store.inbox.accept(others);
      const mine = await acceptOne(store, theirs({ conversation }));
      const before = await Promise.all(others.map((one) => recordOf(store, one)));
      expect(await eraseAll()).toMatchObject({ events: 1 });
      expect(await Promise.all(others.map((one) => recordOf(store, one)))).toEqual(before);
      expect((await recordOf(store, mine)).state).toBe('ignored');
      // The conversation goes on with whoever is left in it.
      expect((await takeHead(store, conversationOf(mine))).record.event.id).toBe(others[0]?.id);
    });

    it('finds who wrote what its delivery does not name by the journal and by a held reply', async () => {
      const unnamed = (): InboundEvent =>
        event({ channel: 'gmail', author: { id: 'gmail', kind: 'app' }, text: '', destination: {} });
      const byStep = async (step: string, value: object): Promise<InboundEvent> => {
        const accepted = await acceptOne(store, unnamed());
        const { lease } = await takeHead(store, conversationOf(accepted));
        await store.journal.record(lease, step, { kind: 'result', value: { ...value } }, 0);
        const run = runEnding('replied', { reply: { text: MARK, state: 'delivered' } });
        await store.lease.finish(lease, { kind: 'done', run }, false);
        return accepted;
      };
      const address = { id: 'Ada@Example.org', kind: 'user' } as const;
      const asked = await byStep(ASKER_STEP, address);
      const turn = await byStep(TURN_STEP, { author: 'ada@example.org', asked: MARK });
      const grace = await byStep(ASKER_STEP, { id: 'grace@example.org', kind: 'user' });
      const inReview = await acceptOne(store, unnamed());
      const { lease } = await takeHead(store, conversationOf(inReview));
      const review = { ...heldReply(), requester: address };
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);

      expect(await eraseAll({ tenant: 'acme', channel: 'gmail', user: 'gmail' })).toMatchObject({ events: 0 });
      const person = { tenant: 'acme', channel: 'gmail', user: 'ADA@example.org' };
      expect(await eraseAll(person)).toMatchObject({ events: 3, cancelled: 1 });
      for (const one of [asked, turn, inReview]) expect(await allOf(one)).not.toContain(MARK);
      expect(await allOf(grace)).toContain(MARK);
    });

    it('knows a late delivery of an erased event as a duplicate, and one with other content as a conflict', async () => {
      const queued = await acceptOne(store, theirs());
      const ran = await done();
      await eraseAll();
      const again = [deliveredAgain(queued), deliveredAgain(ran)];
      expect(await store.inbox.accept(again)).toEqual([
        { outcome: 'duplicate', id: queued.id },
        { outcome: 'duplicate', id: ran.id },
      ]);
      const [other] = await store.inbox.accept([altered(ran)]);
      expect(other?.outcome).toBe('conflict');
      expect(await allOf(ran)).not.toContain(MARK);
    });

    it('takes the lease of a run that is going on: it records nothing more and cannot end', async () => {
      const conversation = conversationNamed('C-running');
      const running = await acceptOne(store, theirs({ conversation }));
      const next = await acceptOne(store, event({ author: GRACE, conversation }));
      const { lease } = await takeHead(store, conversationOf(running));
      expect(await eraseAll()).toMatchObject({ events: 1, cancelled: 1 });

      expect(await store.lease.extend(lease)).toBe(false);
      expect(await store.journal.record(lease, 'reply', { kind: 'intent', value: { text: MARK } }, 0)).toBe(false);
      const run = runEnding('replied', { reply: { text: MARK, state: 'delivered' } });
      expect((await store.lease.finish(lease, { kind: 'done', run }, false)).kind).toBe('stale');
      expect(await store.callbacks.accept('acme', running.id, { generation: 1, step: 's', value: MARK })).toEqual({
        kind: 'over',
        state: 'ignored',
      });
      expect(await allOf(running)).not.toContain(MARK);
      expect(await recordOf(store, running)).toMatchObject({
        state: 'ignored',
        runs: [{ outcome: 'ignored', code: 'ERR_ERASED' }],
      });
      expect((await takeHead(store, conversationOf(next))).record.event.id).toBe(next.id);
    });

    it('leaves nothing to redrive, resolve or decide about', async () => {
      const [ambiguous, inReview] = [await parked(), await held()];
      await eraseAll();
      const wrong = { kind: 'wrong_state', state: 'ignored' };
      expect(await store.events.redrive('acme', ambiguous.id)).toEqual(wrong);
      expect(await store.events.resolve('acme', ambiguous.id, 'reply', 'delivered')).toEqual(wrong);
      const approve = { kind: 'approve', by: 'grace', at: clock.now() } as const;
      expect(await store.reviews.decide('acme', inReview.id, 'digest-1', approve)).toEqual(wrong);
      clock.advance(7_200_000);
      await store.reviews.sweep('acme');
      expect((await recordOf(store, inReview)).state).toBe('ignored');
      expect((await store.events.list('acme', { state: 'review', limit: 10 })).events).toEqual([]);
      const { states } = await store.jobs.stats();
      expect([states.review ?? 0, states.parked ?? 0, states.ignored]).toEqual([0, 0, 2]);
    });

    it('frees the places in the queue of what it cancels', async () => {
      const full = await harness.open({ clock: clock.now, limits: { queueCap: 2 } });
      await full.inbox.accept([theirs(), theirs()]);
      expect((await full.inbox.accept([theirs()]))[0]?.outcome).toBe('full');
      await full.erasure.erase(ada);
      expect((await full.inbox.accept([event(), event()])).map(({ outcome }) => outcome)).toEqual([
        'accepted',
        'accepted',
      ]);
    });

    it('goes through many events in bounded pages, from anywhere it was left', async () => {
      const mine: InboundEvent[] = [];
      for (let i = 0; i < 450; i += 1) {
        clock.advance(1);
        mine.push(i % 3 === 0 ? theirs() : event({ author: GRACE }));
      }
      await store.inbox.accept(mine);
      const first = await store.erasure.erase(ada);
      expect(first.cursor).toBeDefined();
      expect(first.events).toBeLessThan(150);
      // As after a process that died: the whole again, from the start.
      const rest = await eraseAll();
      expect(first.events + rest.events).toBe(150);
      expect(rest.pages).toBeGreaterThan(1);
      const states = await Promise.all(mine.map(async (one) => (await recordOf(store, one)).state));
      expect(states.filter((state) => state === 'queued')).toHaveLength(300);
    });

    it('looks at large events a few at a time', async () => {
      const large = Array.from({ length: 6 }, () => theirs({ payload: { text: MARK, more: 'x'.repeat(900_000) } }));
      for (const one of large) await acceptOne(store, one);
      expect(await eraseAll()).toMatchObject({ events: 6 });
    });

    it('keeps when an event ended, and forgets it when its retention is over', async () => {
      const { retentionMs } = defaultLimits;
      const [old, queued] = [await done(), await acceptOne(store, theirs())];
      clock.advance(retentionMs - 1_000);
      await eraseAll();
      clock.advance(2_000);
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      await expect.poll(() => store.events.get('acme', old.id), { timeout: 20_000 }).toBeNull();
      expect(await store.events.get('acme', queued.id)).not.toBeNull();
      clock.advance(retentionMs);
      await expect.poll(() => store.events.get('acme', queued.id), { timeout: 20_000 }).toBeNull();
      await consumer.close(1_000);
    });

    it('refuses a cursor that no page gave', async () => {
      await expect(store.erasure.erase(ada, 'ev_')).rejects.toMatchObject({ code: 'ERR_INVALID_REQUEST' });
      await expect(store.erasure.erase(ada, '1; DROP')).rejects.toMatchObject({ code: 'ERR_INVALID_REQUEST' });
    });

    it('says whether its files are free of what was deleted', async () => {
      expect(typeof (await store.erasure.flush())).toBe('boolean');
    });
  });
}
