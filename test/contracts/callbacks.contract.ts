import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import type { ConversationRef, HeldLease, Taken } from '../../src/queue/lease.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, headOf, recordOf, type StoreHarness, takeHead } from './harness.ts';

const { maxAttempts, maxBackoffMs } = defaultLimits;
const step = 'callback:1';
const said = (text: string, generation = 1) => ({ generation, step, value: { text } });

/** What every store promises about runs that wait for somebody outside. */
export function callbacksContract(name: string, harness: StoreHarness): void {
  describe(`${name} callbacks`, () => {
    let clock: FakeClock;
    let event: EventMaker;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    const wait = (lease: HeldLease, delayMs: number, more = false): Promise<Taken> =>
      store.lease.finish(lease, { kind: 'wait', run: runEnding('waiting'), awaited: step, delayMs }, more);

    /** An event whose first run waits for an hour. */
    async function waiting(): Promise<{ first: InboundEvent; ref: ConversationRef }> {
      const first = await acceptOne(store, event());
      const ref = conversationOf(first);
      const { lease } = await takeHead(store, ref);
      expect(await wait(lease, 3_600_000)).toEqual({ kind: 'later', at: clock.now() + 3_600_000 });
      return { first, ref };
    }
    const callBack = (first: InboundEvent, text: string, generation?: number) =>
      store.callbacks.accept(first.tenant, first.id, said(text, generation));

    it('leaves a run waiting, longer than any back-off and without counting an attempt', async () => {
      const { first, ref } = await waiting();
      expect(await recordOf(store, first)).toMatchObject({ state: 'waiting', attempts: 0 });
      expect((await recordOf(store, first)).runs).toMatchObject([{ outcome: 'waiting' }]);
      clock.advance(2 * maxBackoffMs);
      expect((await store.lease.take(ref)).kind).toBe('later');
    });

    it('runs again when nobody called, as often as it waits', async () => {
      const { first, ref } = await waiting();
      for (let i = 0; i < 2 * maxAttempts; i += 1) {
        clock.advance(3_600_000);
        const { record, lease } = await takeHead(store, ref);
        expect(record).toMatchObject({ event: { id: first.id }, attempts: 1 });
        expect(await store.journal.replay(lease)).toEqual(new Map());
        await wait(lease, 3_600_000);
      }
    });

    it('runs at once when it is called back, and finds in its journal what was said', async () => {
      const { first, ref } = await waiting();
      expect(await callBack(first, 'hello')).toEqual({ kind: 'accepted' });
      const { record, lease } = await takeHead(store, ref);
      expect(record).toMatchObject({ event: { id: first.id }, attempts: 1 });
      const entry = (await store.journal.replay(lease)).get(step);
      expect(entry).toEqual({ kind: 'result', at: clock.now(), value: { text: 'hello' } });
    });

    it('wakes a worker of another process', async () => {
      const { first } = await waiting();
      const other = await harness.reopen(store);
      const ran = new Promise<string>((resolve) => {
        const consumer = other.jobs.consume({
          concurrency: 1,
          run: async (ref) => {
            const taken = await other.lease.take(ref);
            if (taken.kind !== 'head') return;
            await other.lease.finish(taken.lease, { kind: 'done', run: runEnding('replied') }, false);
            resolve(taken.record.event.id);
          },
        });
        void consumer;
      });
      await callBack(first, 'hello');
      expect(await ran).toBe(first.id);
    });

    it('keeps followers waiting behind it, in order', async () => {
      const { first, ref } = await waiting();
      const follower = await acceptOne(store, event({ conversation: first.conversation }));
      expect((await store.lease.take(ref)).kind).toBe('later');
      await callBack(first, 'hello');
      expect((await finishHead(store, ref)).event.id).toBe(first.id);
      expect((await finishHead(store, ref)).event.id).toBe(follower.id);
    });

    it('does not wait for what was said before the attempt ended', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      expect(await callBack(first, 'fast')).toEqual({ kind: 'accepted' });
      const again = headOf(await wait(lease, 3_600_000, true));
      expect(again.record).toMatchObject({ event: { id: first.id }, attempts: 1 });
      expect((await store.journal.replay(again.lease)).get(step)?.value).toEqual({ text: 'fast' });
      // Without `more` the rest goes to a wake, which is due now.
      expect(await wait(again.lease, 3_600_000)).toEqual({ kind: 'handed' });
    });

    it('accepts what is said while the event is queued again after a shutdown', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      await store.lease.finish(lease, { kind: 'released', run: runEnding('released') }, false);
      expect(await callBack(first, 'hello')).toEqual({ kind: 'accepted' });
      const taken = await takeHead(store, conversationOf(first));
      expect((await store.journal.replay(taken.lease)).get(step)?.value).toEqual({ text: 'hello' });
    });

    it('takes one word and no other: the same again is a duplicate, another a conflict, also after the end', async () => {
      const { first, ref } = await waiting();
      await callBack(first, 'hello');
      expect(await callBack(first, 'hello')).toEqual({ kind: 'duplicate' });
      expect(await callBack(first, 'other')).toEqual({ kind: 'conflict' });
      await finishHead(store, ref);
      expect(await callBack(first, 'hello')).toEqual({ kind: 'duplicate' });
      expect(await callBack(first, 'other')).toEqual({ kind: 'conflict' });
    });

    it('lets one of many callers win, over all handles', async () => {
      const { first } = await waiting();
      const other = await harness.reopen(store);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? store : other).callbacks.accept(first.tenant, first.id, said(`text ${i}`)),
        ),
      );
      expect(answers.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
      expect(answers.filter(({ kind }) => kind === 'conflict')).toHaveLength(19);
    });

    it('is over once the event has ended or was parked, and leaves nothing behind then', async () => {
      const ended = await acceptOne(store, event());
      await finishHead(store, conversationOf(ended));
      expect(await callBack(ended, 'late')).toEqual({ kind: 'over', state: 'done' });
      const { first, ref } = await waiting();
      await store.events.park(first.tenant, first.id);
      expect(await callBack(first, 'late')).toEqual({ kind: 'over', state: 'parked' });
      await store.events.redrive(first.tenant, first.id);
      expect((await store.journal.replay((await takeHead(store, ref)).lease)).size).toBe(0);
    });

    it('refuses what an earlier generation asked for', async () => {
      const { first } = await waiting();
      await store.events.park(first.tenant, first.id);
      await store.events.redrive(first.tenant, first.id);
      expect(await callBack(first, 'late', 1)).toMatchObject({ kind: 'over' });
      expect(await callBack(first, 'new', 2)).toEqual({ kind: 'accepted' });
    });

    it('knows nothing of other tenants', async () => {
      const { first, ref } = await waiting();
      expect(await store.callbacks.accept('globex', first.id, said('hello'))).toEqual({ kind: 'not_found' });
      expect(await store.callbacks.accept(first.tenant, `${first.id}X`, said('hello'))).toEqual({ kind: 'not_found' });
      expect((await store.lease.take(ref)).kind).toBe('later');
    });
  });
}
