import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock, letPass } from '../support/clock.ts';
import { conversationNamed, conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, headOf, recordOf, type StoreHarness, takeHead } from './harness.ts';

const done = { kind: 'done', run: runEnding('replied') } as const;
const { leaseMs } = defaultLimits;

/** What every store promises about taking, holding and handing on a conversation. */
export function leaseContract(name: string, harness: StoreHarness): void {
  describe(`${name} lease`, () => {
    let clock: FakeClock;
    let event: EventMaker;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    /** Accepts so many events of one conversation. */
    async function acceptLine(length: number) {
      const conversation = conversationNamed('line');
      const events = Array.from({ length }, () => event({ conversation }));
      for (const each of events) await acceptOne(store, each);
      return { ids: events.map(({ id }) => id), ref: { tenant: 'acme', key: conversation.key } };
    }

    it('takes the head as running, with its run begun', async () => {
      const first = await acceptOne(store, event());
      const { record, lease } = await takeHead(store, conversationOf(first));
      expect(record).toMatchObject({ event: first, state: 'running', attempts: 1 });
      expect(record.runs).toMatchObject([{ outcome: 'running', startedAt: clock.now() }]);
      expect(lease).toMatchObject({ conversation: conversationOf(first), eventId: first.id, run: 1 });
      expect(await recordOf(store, first)).toEqual(record);
    });

    it('finds a conversation nobody wrote to empty', async () => {
      expect(await store.lease.take({ tenant: 'acme', key: 'nobody' })).toEqual({ kind: 'empty' });
    });

    it('runs a conversation in the order of acceptance, whatever order the ids have', async () => {
      const conversation = conversationNamed('line');
      const late = event({ conversation, id: 'ev_ZZZZZZZZZZZZZZZZZZZZZZZZZZ' });
      const early = event({ conversation, id: 'ev_00000000000000000000000000' });
      for (const each of [late, early]) await acceptOne(store, each);
      expect((await finishHead(store, conversationOf(late))).event.id).toBe(late.id);
      expect((await finishHead(store, conversationOf(late))).event.id).toBe(early.id);
    });

    it('keeps that order within one call', async () => {
      const conversation = conversationNamed('line');
      const events = Array.from({ length: 12 }, () => event({ conversation }));
      await store.inbox.accept(events);
      const ran: string[] = [];
      for (const each of events) ran.push((await finishHead(store, conversationOf(each))).event.id);
      expect(ran).toEqual(events.map(({ id }) => id));
    });

    it('lets one worker hold a conversation and tells the others until when', async () => {
      const { ref } = await acceptLine(2);
      const other = await harness.reopen(store);
      const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? store : other).lease.take(ref)));
      expect(taken.filter(({ kind }) => kind === 'head')).toHaveLength(1);
      expect(taken.filter(({ kind }) => kind === 'held')).toHaveLength(9);
      expect(await other.lease.take(ref)).toEqual({ kind: 'held', at: clock.now() + leaseMs });
    });

    it('records how a run ended and forgets the emptied conversation', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      const run = runEnding('replied', {
        startedAt: 5,
        finishedAt: 9,
        reply: { text: 'hello', state: 'delivered' },
        usage: { usdMicros: 12, inputTokens: 3, outputTokens: 4, modelCalls: 1, toolCalls: 0 },
      });
      expect(await store.lease.finish(lease, { kind: 'done', run }, true)).toEqual({ kind: 'empty' });
      expect(await recordOf(store, first)).toMatchObject({ state: 'done', attempts: 1, runs: [run] });
      expect(await store.lease.take(conversationOf(first))).toEqual({ kind: 'empty' });
    });

    it.each(['done', 'ignored'] as const)('ends an event as %s', async (kind) => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      await store.lease.finish(lease, { kind, run: runEnding('silent') }, false);
      expect((await recordOf(store, first)).state).toBe(kind);
    });

    it('parks an event with its code and goes on with the next', async () => {
      const { ids, ref } = await acceptLine(2);
      const { record, lease } = await takeHead(store, ref);
      const parked = { kind: 'parked', run: runEnding('parked'), code: 'ERR_REPLY_REJECTED' } as const;
      const next = headOf(await store.lease.finish(lease, parked, true));
      expect(next.record.event.id).toBe(ids[1]);
      expect(await recordOf(store, record.event)).toMatchObject({
        state: 'parked',
        failure: { code: 'ERR_REPLY_REJECTED' },
      });
    });

    it('takes the next head in the same step when the worker wants more', async () => {
      const { ids, ref } = await acceptLine(3);
      const first = await takeHead(store, ref);
      const second = headOf(await store.lease.finish(first.lease, done, true));
      expect(second.record).toMatchObject({ event: { id: ids[1] }, state: 'running', attempts: 1 });
      expect(second.lease.token).toBeGreaterThan(first.lease.token);
      expect((await store.lease.take(ref)).kind).toBe('held');
      const third = headOf(await store.lease.finish(second.lease, done, true));
      expect(third.lease.token).toBeGreaterThan(second.lease.token);
      expect(await store.lease.finish(third.lease, done, true)).toEqual({ kind: 'empty' });
    });

    it('hands the rest on when the worker wants no more', async () => {
      const { ids, ref } = await acceptLine(2);
      const { lease } = await takeHead(store, ref);
      expect(await store.lease.finish(lease, done, false)).toEqual({ kind: 'handed' });
      expect((await takeHead(store, ref)).record.event.id).toBe(ids[1]);
    });

    it('notices what arrived while the last head ran', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      const late = await acceptOne(store, event({ conversation: first.conversation }));
      const next = headOf(await store.lease.finish(lease, done, true));
      expect(next.record.event.id).toBe(late.id);
    });

    it('never hands out a token twice, not even after the conversation was forgotten', async () => {
      const conversation = conversationNamed('again');
      const ref = { tenant: 'acme', key: conversation.key };
      let last = 0;
      for (let i = 0; i < 3; i += 1) {
        await acceptOne(store, event({ conversation }));
        const { lease } = await takeHead(store, ref);
        expect(lease.token).toBeGreaterThan(last);
        last = lease.token;
        expect(await store.lease.finish(lease, done, false)).toEqual({ kind: 'empty' });
      }
    });

    it('prolongs a lease that is held', async () => {
      const { ref } = await acceptLine(1);
      const { lease } = await takeHead(store, ref);
      clock.advance(leaseMs - 1_000);
      expect(await store.lease.extend(lease)).toBe(true);
      clock.advance(leaseMs - 1_000);
      expect(await store.lease.take(ref)).toEqual({ kind: 'held', at: clock.now() + 1_000 });
    });

    it('is free at the very time it said it would be, when the wake is due', async () => {
      const { ref } = await acceptLine(1);
      await takeHead(store, ref);
      clock.advance(leaseMs - 1);
      expect(await store.lease.take(ref)).toEqual({ kind: 'held', at: clock.now() + 1 });
      clock.advance(1);
      expect((await store.lease.take(ref)).kind).toBe('head');
    });

    it('gives a lease that ran out to the next worker with a larger token and the first run lost', async () => {
      const { ref } = await acceptLine(1);
      const frozen = await takeHead(store, ref);
      clock.advance(leaseMs + 1);
      const { record, lease } = await takeHead(store, ref);
      expect(lease.token).toBeGreaterThan(frozen.lease.token);
      expect(lease.run).toBe(2);
      expect(record).toMatchObject({
        attempts: 2,
        runs: [{ outcome: 'lost', finishedAt: clock.now() }, { outcome: 'running' }],
      });
    });

    it('changes nothing for a worker that comes back with an old token, and tells it so', async () => {
      const { ref } = await acceptLine(2);
      const frozen = await takeHead(store, ref);
      clock.advance(leaseMs + 1);
      const current = await takeHead(store, ref);
      expect(await store.lease.extend(frozen.lease)).toBe(false);
      expect(await store.lease.finish(frozen.lease, done, true)).toEqual({ kind: 'stale' });
      expect(await recordOf(store, current.record.event)).toEqual(current.record);
      expect((await store.lease.take(ref)).kind).toBe('held');
      expect(await store.lease.extend(current.lease)).toBe(true);
    });

    it('ends a run once: the same lease finished again is stale', async () => {
      const { ref } = await acceptLine(2);
      const { lease } = await takeHead(store, ref);
      await store.lease.finish(lease, done, false);
      expect(await store.lease.finish(lease, done, true)).toEqual({ kind: 'stale' });
      expect(await store.lease.extend(lease)).toBe(false);
      expect((await takeHead(store, ref)).record.attempts).toBe(1);
    });

    it('ends a hundred heads that are too old in one step and leaves the rest to a new wake', async () => {
      const conversation = conversationNamed('old');
      const receivedAt = clock.now() - defaultLimits.maxAgeMs - 1;
      await store.inbox.accept(Array.from({ length: 101 }, () => event({ conversation, receivedAt })));
      const young = await acceptOne(store, event({ conversation }));
      expect(await store.lease.take(conversationOf(young))).toEqual({ kind: 'handed' });
      const expired = await store.events.list('acme', { state: 'expired', limit: 200 });
      expect(expired.events).toHaveLength(100);
      expect((await takeHead(store, conversationOf(young))).record.event.id).toBe(young.id);
    });

    it('still takes the result of a lease that ran out when nobody else began', async () => {
      const { ref } = await acceptLine(1);
      const { record, lease } = await takeHead(store, ref);
      clock.advance(leaseMs + 1);
      expect(await store.lease.finish(lease, done, false)).toEqual({ kind: 'empty' });
      expect((await recordOf(store, record.event)).state).toBe('done');
    });
  });

  describe(`${name} named lease`, () => {
    afterEach(() => harness.cleanup());
    const open = async () => {
      const clock = createFakeClock();
      return { clock, store: await harness.open({ clock: clock.now }) };
    };

    it('belongs to one holder until it is released', async () => {
      const { store } = await open();
      const other = await harness.reopen(store);
      const held = await store.lease.acquire('keeper', 60_000);
      expect(held).not.toBeNull();
      expect(await other.lease.acquire('keeper', 60_000)).toBeNull();
      expect(await store.lease.acquire('keeper', 60_000)).toBeNull();
      expect(await other.lease.acquire('mailbox', 60_000)).not.toBeNull();
      await held?.release();
      expect(await other.lease.acquire('keeper', 60_000)).not.toBeNull();
    });

    it('is given to one of many who ask at once', async () => {
      const { store } = await open();
      const other = await harness.reopen(store);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).lease.acquire('keeper', 60_000)),
      );
      expect(answers.filter((lease) => lease !== null)).toHaveLength(1);
    });

    it('runs out unless renewed, and its late holder can neither renew nor release it', async () => {
      const { clock, store } = await open();
      const late = await store.lease.acquire('keeper', 300);
      expect(await late?.renew()).toBe(true);
      await letPass(clock, 320);
      const next = await store.lease.acquire('keeper', 60_000);
      expect(next).not.toBeNull();
      expect(await late?.renew()).toBe(false);
      await late?.release();
      expect(await store.lease.acquire('keeper', 60_000)).toBeNull();
      expect(await next?.renew()).toBe(true);
    });
  });
}
