import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HeldReply, InboundEvent } from '../../src/core/event.ts';
import type { ReviewAction } from '../../src/queue/reviews.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock, PATIENCE_MS } from '../support/clock.ts';
import { conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, recordOf, type StoreHarness, takeHead } from './harness.ts';

const HOUR_MS = 3_600_000;
const { maxAgeMs, leaseMs } = defaultLimits;

/** What every store promises about replies that wait for a person. */
export function reviewsContract(name: string, harness: StoreHarness): void {
  let clock: FakeClock;
  let event: EventMaker;
  let store: Store;

  const held = (overrides: Partial<HeldReply> = {}): HeldReply => ({
    text: 'as the agent wrote it',
    digest: 'digest-1',
    version: 1,
    generation: 1,
    heldAt: clock.now(),
    expiresAt: clock.now() + HOUR_MS,
    requester: { id: 'U1', kind: 'user' },
    ...overrides,
  });
  const approve = (by = 'ada'): ReviewAction => ({ kind: 'approve', by, at: clock.now() });
  const reject = (reason?: string): ReviewAction => ({
    kind: 'reject',
    by: 'ada',
    at: clock.now(),
    ...(reason === undefined ? {} : { reason }),
  });
  const edit = (text: string, digest: string): ReviewAction => ({ kind: 'edit', by: 'ada', text, digest });

  /** Runs an event up to a reply that a person has to see. */
  async function holdOne(given: InboundEvent = event(), review: Partial<HeldReply> = {}): Promise<InboundEvent> {
    await acceptOne(store, given);
    const { lease } = await takeHead(store, conversationOf(given));
    const run = runEnding('review', { reply: { text: 'as the agent wrote it', state: 'held' } });
    await store.lease.finish(lease, { kind: 'review', run, review: held(review) }, false);
    return given;
  }
  const setUp = async () => {
    clock = createFakeClock();
    event = createEventMaker(clock.now);
    store = await harness.open({ clock: clock.now });
  };

  describe(`${name} review`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    it('keeps the held reply with the event, and another process reads it', async () => {
      const one = await holdOne();
      const other = await harness.reopen(store);
      expect(await recordOf(other, one)).toMatchObject({
        state: 'review',
        review: held(),
        runs: [{ outcome: 'review', reply: { state: 'held' } }],
      });
      expect((await other.events.list('acme', { state: 'review', limit: 5 })).events).toHaveLength(1);
      expect((await other.jobs.stats()).states.review).toBe(1);
    });

    it('leaves the conversation to its followers, and its lease to nobody', async () => {
      const one = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: one.conversation }));
      const { lease } = await takeHead(store, conversationOf(one));
      const outcome = { kind: 'review', run: runEnding('review'), review: held() } as const;
      const taken = await store.lease.finish(lease, outcome, true);
      expect(taken).toMatchObject({ kind: 'head', record: { event: { id: next.id } } });
      expect(await store.lease.extend(lease)).toBe(false);
      expect((await recordOf(store, one)).state).toBe('review');
    });

    it('is not a place in the queue: it counts against no cap', async () => {
      store = await harness.open({ clock: clock.now, limits: { queueCap: 1 } });
      const one = await holdOne();
      expect((await store.inbox.accept([event()])).map(({ outcome }) => outcome)).toEqual(['accepted']);
      expect((await store.reviews.decide('acme', one.id, 'digest-1', approve())).kind).toBe('ok');
      expect((await store.inbox.accept([event()])).map(({ outcome }) => outcome)).toEqual(['full']);
    });

    it('changes nothing for a worker that lost its lease', async () => {
      const one = await acceptOne(store, event());
      const { lease: frozen } = await takeHead(store, conversationOf(one));
      clock.advance(leaseMs + 1);
      await takeHead(store, conversationOf(one));
      const outcome = { kind: 'review', run: runEnding('review'), review: held() } as const;
      expect(await store.lease.finish(frozen, outcome, false)).toEqual({ kind: 'stale' });
      expect(await recordOf(store, one)).toMatchObject({ state: 'running' });
    });

    it('ends the waiting of whoever wants its result', async () => {
      const one = await holdOne();
      expect(await store.jobs.awaitResult('acme', one.id, 5_000)).toMatchObject({ state: 'review' });
    });

    it('cannot be parked or redriven: it is decided', async () => {
      const one = await holdOne();
      expect(await store.events.park('acme', one.id)).toEqual({ kind: 'wrong_state', state: 'review' });
      expect(await store.events.redrive('acme', one.id)).toEqual({ kind: 'wrong_state', state: 'review' });
    });
  });

  describe(`${name} review decision`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    it('queues what was approved at the tail of its conversation, with what was decided', async () => {
      const one = await holdOne();
      const next = await acceptOne(store, event({ conversation: one.conversation }));
      const decision = { kind: 'approved', by: 'ada', at: clock.now() };
      expect(await store.reviews.decide('acme', one.id, 'digest-1', approve())).toMatchObject({
        kind: 'ok',
        record: { state: 'queued', attempts: 0, review: { ...held(), decision } },
      });
      expect((await finishHead(store, conversationOf(one))).event.id).toBe(next.id);
      const { record, lease } = await takeHead(store, conversationOf(one));
      expect(record).toMatchObject({ event: { id: one.id }, generation: 1, attempts: 1, review: { decision } });
      expect(lease.run).toBe(2);
    });

    it('wakes an idle conversation', async () => {
      const one = await holdOne();
      const ran: string[] = [];
      const consumer = store.jobs.consume({
        concurrency: 1,
        run: async (ref) => void ran.push((await finishHead(store, ref)).event.id),
      });
      await store.reviews.decide('acme', one.id, 'digest-1', approve());
      await vi.waitFor(() => expect(ran).toEqual([one.id]), { timeout: PATIENCE_MS });
      await consumer.close(1_000);
    });

    it('counts age and attempts from the approval', async () => {
      const one = await acceptOne(store, event());
      for (let n = 0; n < 3; n += 1) {
        await takeHead(store, conversationOf(one));
        clock.advance(leaseMs + 1);
      }
      const { lease } = await takeHead(store, conversationOf(one));
      const review = held({ expiresAt: clock.now() + 9 * maxAgeMs });
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
      clock.advance(2 * maxAgeMs);
      await store.reviews.decide('acme', one.id, 'digest-1', approve());
      clock.advance(maxAgeMs);
      expect((await takeHead(store, conversationOf(one))).record).toMatchObject({ attempts: 1, event: { id: one.id } });
    });

    it('is made once, whoever else decides at the same time', async () => {
      const other = await harness.reopen(store);
      for (let n = 0; n < 10; n += 1) {
        const one = await holdOne();
        const answers = await Promise.all([
          store.reviews.decide('acme', one.id, 'digest-1', approve('ada')),
          other.reviews.decide('acme', one.id, 'digest-1', approve('ada')),
          store.reviews.decide('acme', one.id, 'digest-1', reject()),
          other.reviews.decide('acme', one.id, 'digest-1', approve('bob')),
        ]);
        expect(answers.map(({ kind }) => kind).sort()).toEqual(['ok', 'wrong_state', 'wrong_state', 'wrong_state']);
      }
    });

    it('names what was seen: another digest changes nothing', async () => {
      const one = await holdOne();
      for (const action of [approve(), reject(), edit('x', 'digest-2')]) {
        expect(await store.reviews.decide('acme', one.id, 'digest-0', action)).toEqual({ kind: 'changed' });
        expect(await store.reviews.decide('acme', one.id, '', action)).toEqual({ kind: 'changed' });
      }
      expect(await recordOf(store, one)).toMatchObject({ state: 'review', review: held() });
    });

    it('is no longer possible for a text that was edited meanwhile', async () => {
      const one = await holdOne();
      expect(await store.reviews.decide('acme', one.id, 'digest-1', edit('better', 'digest-2'))).toMatchObject({
        kind: 'ok',
        record: {
          state: 'review',
          review: { ...held(), text: 'better', digest: 'digest-2', version: 2, editedBy: 'ada' },
        },
      });
      expect(await store.reviews.decide('acme', one.id, 'digest-1', approve())).toEqual({ kind: 'changed' });
      expect(await store.reviews.decide('acme', one.id, 'digest-1', edit('worse', 'digest-3'))).toEqual({
        kind: 'changed',
      });
      expect(await store.reviews.decide('acme', one.id, 'digest-2', approve())).toMatchObject({
        kind: 'ok',
        record: { review: { text: 'better' }, runs: [{ reply: { text: 'as the agent wrote it' } }] },
      });
    });

    it('edits once when two edit at the same time', async () => {
      const one = await holdOne();
      const other = await harness.reopen(store);
      const answers = await Promise.all([
        store.reviews.decide('acme', one.id, 'digest-1', edit('a', 'digest-a')),
        other.reviews.decide('acme', one.id, 'digest-1', edit('b', 'digest-b')),
      ]);
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['changed', 'ok']);
    });

    it('ends what was rejected, with the reason, and forgets it when its time has come', async () => {
      const one = await holdOne();
      expect(await store.reviews.decide('acme', one.id, 'digest-1', reject('not polite'))).toMatchObject({
        kind: 'ok',
        record: {
          state: 'done',
          review: { decision: { kind: 'rejected', by: 'ada', reason: 'not polite' } },
          runs: [{ outcome: 'rejected', reply: { state: 'rejected' } }],
        },
      });
      expect(await store.lease.take(conversationOf(one))).toEqual({ kind: 'empty' });
      expect(await store.events.redrive('acme', one.id)).toEqual({ kind: 'wrong_state', state: 'done' });
      clock.advance(defaultLimits.retentionMs + 1);
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      await vi.waitFor(async () => expect(await store.events.get('acme', one.id)).toBeNull(), { timeout: PATIENCE_MS });
      await consumer.close(1_000);
    });

    it('comes too late when the review has expired: the event is parked', async () => {
      const one = await holdOne();
      clock.advance(HOUR_MS);
      expect(await store.reviews.decide('acme', one.id, 'digest-1', approve())).toMatchObject({
        kind: 'expired',
        record: { state: 'parked', failure: { code: 'ERR_REVIEW_EXPIRED' } },
      });
      expect(await store.reviews.decide('acme', one.id, 'digest-1', approve())).toEqual({
        kind: 'wrong_state',
        state: 'parked',
      });
      expect(await store.lease.take(conversationOf(one))).toEqual({ kind: 'empty' });
    });

    it('is still possible a moment before', async () => {
      const one = await holdOne();
      clock.advance(HOUR_MS - 1);
      expect((await store.reviews.decide('acme', one.id, 'digest-1', approve())).kind).toBe('ok');
    });

    it('belongs to the tenant', async () => {
      const one = await holdOne();
      expect(await store.reviews.decide('globex', one.id, 'digest-1', approve())).toEqual({ kind: 'not_found' });
      expect((await recordOf(store, one)).state).toBe('review');
    });

    it('is for what is held only', async () => {
      const queued = await acceptOne(store, event());
      const wrong = { kind: 'wrong_state', state: 'queued' };
      expect(await store.reviews.decide('acme', queued.id, '', approve())).toEqual(wrong);
      expect(await store.reviews.decide('acme', 'ev_none', '', approve())).toEqual({ kind: 'not_found' });
    });

    it('is not too late but in the wrong state for an event that grew too old after its approval', async () => {
      const one = await holdOne();
      await store.reviews.decide('acme', one.id, 'digest-1', approve());
      clock.advance(maxAgeMs + 1);
      expect(await store.lease.take(conversationOf(one))).toEqual({ kind: 'empty' });
      const again = await store.reviews.decide('acme', one.id, 'digest-1', approve());
      expect(again).toEqual({ kind: 'wrong_state', state: 'expired' });
    });

    it('keeps any text as it is, half characters included', async () => {
      const text = 'a\u0000b \ud83d\ude00 \ud83d "state":"delivered" \\';
      const one = await holdOne(event(), { text });
      const answer = await store.reviews.decide('acme', one.id, 'digest-1', reject(text));
      expect(answer).toMatchObject({ kind: 'ok', record: { review: { text, decision: { reason: text } } } });
    });
  });

  describe(`${name} review expiry`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    it('parks whatever nobody decided in time, and nothing else', async () => {
      const early = await holdOne();
      const late = await holdOne(event(), { expiresAt: clock.now() + 2 * HOUR_MS });
      const approved = await holdOne();
      await store.reviews.decide('acme', approved.id, 'digest-1', approve());
      clock.advance(HOUR_MS);
      await store.reviews.sweep('acme');
      const states = await Promise.all([early, late, approved].map(async (one) => (await recordOf(store, one)).state));
      expect(states).toEqual(['parked', 'review', 'queued']);
      expect((await recordOf(store, early)).failure).toEqual({ code: 'ERR_REVIEW_EXPIRED' });
    });

    it('is also looked after by workers', async () => {
      const one = await holdOne();
      clock.advance(HOUR_MS);
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      await vi.waitFor(async () => expect((await recordOf(store, one)).state).toBe('parked'), { timeout: PATIENCE_MS });
      await consumer.close(1_000);
    });

    it('lets a new generation be held anew after a redrive', async () => {
      const one = await holdOne();
      clock.advance(HOUR_MS);
      await store.reviews.sweep('acme');
      expect((await store.events.redrive('acme', one.id)).kind).toBe('ok');
      const { lease } = await takeHead(store, conversationOf(one));
      const review = held({ digest: 'digest-9', generation: 2 });
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
      expect((await store.reviews.decide('acme', one.id, 'digest-1', approve())).kind).toBe('changed');
      expect((await store.reviews.decide('acme', one.id, 'digest-9', approve())).kind).toBe('ok');
    });
  });
}
