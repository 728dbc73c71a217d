import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, headOf, recordOf, type StoreHarness, takeHead } from './harness.ts';

const { leaseMs, maxAttempts, maxAgeMs, maxBackoffMs } = defaultLimits;
const retryIn = (delayMs: number) =>
  ({ kind: 'retry', run: runEnding('retry'), code: 'ERR_REPLY_UNAVAILABLE', delayMs }) as const;
const released = { kind: 'released', run: runEnding('released') } as const;

/** What every store promises about trying again: how often, how long, how old. */
export function attemptsContract(name: string, harness: StoreHarness): void {
  describe(`${name} attempts`, () => {
    let clock: FakeClock;
    let event: EventMaker;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    /** An event and its follower in one conversation. */
    async function acceptPair() {
      const first = await acceptOne(store, event());
      const follower = await acceptOne(store, event({ conversation: first.conversation }));
      return { first, follower, ref: conversationOf(first) };
    }

    it('waits for time alone as often as it must, which counts as neither attempt nor back-off', async () => {
      const { first, ref } = await acceptPair();
      const delayMs = maxBackoffMs - 1;
      for (let wait = 0; wait < 2 * maxAttempts; wait += 1) {
        const { lease } = await takeHead(store, ref);
        await store.journal.record(lease, 'reply', { kind: 'intent', value: null }, 0);
        const waiting = { kind: 'wait', run: runEnding('waiting'), delayMs } as const;
        expect(await store.lease.finish(lease, waiting, true)).toEqual({ kind: 'later', at: clock.now() + delayMs });
        expect(await recordOf(store, first)).toMatchObject({ state: 'waiting', attempts: 0 });
        clock.advance(delayMs - 1);
        expect((await store.lease.take(ref)).kind).toBe('later');
        clock.advance(1);
      }
      expect((await takeHead(store, ref)).record).toMatchObject({ event: { id: first.id }, attempts: 1 });
    });

    it('parks a head whose workers died five times and runs the next', async () => {
      const { first, follower, ref } = await acceptPair();
      for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
        expect((await takeHead(store, ref)).record).toMatchObject({ event: { id: first.id }, attempts: attempt });
        clock.advance(leaseMs + 1);
      }
      expect((await takeHead(store, ref)).record.event.id).toBe(follower.id);
      const record = await recordOf(store, first);
      expect(record).toMatchObject({
        state: 'parked',
        attempts: maxAttempts,
        failure: { code: 'ERR_ATTEMPTS_EXHAUSTED' },
      });
      expect(record.runs.map(({ outcome }) => outcome)).toEqual(Array(maxAttempts).fill('lost'));
    });

    it('finds the conversation empty when the head it parks was the last', async () => {
      const first = await acceptOne(store, event());
      for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
        await takeHead(store, conversationOf(first));
        clock.advance(leaseMs + 1);
      }
      expect(await store.lease.take(conversationOf(first))).toEqual({ kind: 'empty' });
      expect((await recordOf(store, first)).state).toBe('parked');
    });

    it('parks at once when the last attempt asks for another', async () => {
      const { first, follower, ref } = await acceptPair();
      for (let attempt = 1; attempt < maxAttempts; attempt += 1) {
        const { lease } = await takeHead(store, ref);
        expect((await store.lease.finish(lease, retryIn(1_000), false)).kind).toBe('later');
        clock.advance(1_000);
      }
      const { record, lease } = await takeHead(store, ref);
      expect(record.attempts).toBe(maxAttempts);
      const next = headOf(await store.lease.finish(lease, retryIn(1_000), true));
      expect(next.record.event.id).toBe(follower.id);
      expect(await recordOf(store, first)).toMatchObject({
        state: 'parked',
        failure: { code: 'ERR_ATTEMPTS_EXHAUSTED' },
      });
    });

    it('does not count a release by orderly shutdown, however often', async () => {
      const { first, ref } = await acceptPair();
      for (let i = 1; i <= maxAttempts + 2; i += 1) {
        const { record, lease } = await takeHead(store, ref);
        expect(record).toMatchObject({ event: { id: first.id }, attempts: 1 });
        expect(lease.run).toBe(i);
        expect(await store.lease.finish(lease, released, false)).toEqual({ kind: 'handed' });
        expect(await recordOf(store, first)).toMatchObject({ state: 'queued', attempts: 0 });
      }
      expect((await recordOf(store, first)).runs.every(({ outcome }) => outcome === 'released')).toBe(true);
    });

    it('makes a head in back-off wait until it is due, and its followers with it', async () => {
      const { first, ref } = await acceptPair();
      const { lease } = await takeHead(store, ref);
      const due = clock.now() + 5_000;
      expect(await store.lease.finish(lease, retryIn(5_000), true)).toEqual({ kind: 'later', at: due });
      expect(await recordOf(store, first)).toMatchObject({ state: 'waiting', runs: [{ outcome: 'retry' }] });
      clock.advance(4_999);
      expect(await store.lease.take(ref)).toEqual({ kind: 'later', at: due });
      clock.advance(1);
      expect((await takeHead(store, ref)).record).toMatchObject({ event: { id: first.id }, attempts: 2 });
    });

    it('parks a head whose waits would pass 60 s together', async () => {
      const { first, follower, ref } = await acceptPair();
      const one = await takeHead(store, ref);
      expect((await store.lease.finish(one.lease, retryIn(40_000), false)).kind).toBe('later');
      clock.advance(40_000);
      const two = await takeHead(store, ref);
      const next = headOf(await store.lease.finish(two.lease, retryIn(20_001), true));
      expect(next.record.event.id).toBe(follower.id);
      expect(await recordOf(store, first)).toMatchObject({
        state: 'parked',
        failure: { code: 'ERR_BACKOFF_EXHAUSTED' },
      });
    });

    it('allows waits of 60 s together', async () => {
      const { ref } = await acceptPair();
      const { lease } = await takeHead(store, ref);
      expect((await store.lease.finish(lease, retryIn(60_000), false)).kind).toBe('later');
    });

    it('parks at once for a longer wait, also when nothing follows', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      expect(await store.lease.finish(lease, retryIn(60_001), false)).toEqual({ kind: 'empty' });
      expect(await recordOf(store, first)).toMatchObject({
        state: 'parked',
        failure: { code: 'ERR_BACKOFF_EXHAUSTED' },
      });
    });

    it('hands the rest on when it parks for a worker that wants no more', async () => {
      const { ref } = await acceptPair();
      const { lease } = await takeHead(store, ref);
      expect(await store.lease.finish(lease, retryIn(60_001), false)).toEqual({ kind: 'handed' });
    });

    it('does not make a follower inherit the waits of the head before it', async () => {
      const { follower, ref } = await acceptPair();
      const { lease } = await takeHead(store, ref);
      await store.lease.finish(lease, retryIn(59_000), false);
      clock.advance(59_000);
      const again = await takeHead(store, ref);
      const next = headOf(await store.lease.finish(again.lease, { kind: 'done', run: runEnding('replied') }, true));
      expect((await store.lease.finish(next.lease, retryIn(59_000), false)).kind).toBe('later');
      expect((await recordOf(store, follower)).state).toBe('waiting');
    });

    it('expires a head that is too old when its turn comes, and runs the next', async () => {
      const first = await acceptOne(store, event());
      clock.advance(maxAgeMs);
      const young = await acceptOne(store, event({ conversation: first.conversation }));
      clock.advance(1);
      expect((await takeHead(store, conversationOf(first))).record.event.id).toBe(young.id);
      expect(await recordOf(store, first)).toMatchObject({ state: 'expired', attempts: 0, runs: [] });
    });

    it('runs a head of exactly the greatest age', async () => {
      const first = await acceptOne(store, event());
      clock.advance(maxAgeMs);
      expect((await takeHead(store, conversationOf(first))).record.event.id).toBe(first.id);
    });

    it('parks a head that is too old and has used its attempts: it was begun, so nobody may drop it unseen', async () => {
      const first = await acceptOne(store, event());
      for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
        await takeHead(store, conversationOf(first));
        clock.advance(leaseMs + 1);
      }
      clock.advance(maxAgeMs);
      expect(await store.lease.take(conversationOf(first))).toEqual({ kind: 'empty' });
      expect(await recordOf(store, first)).toMatchObject({
        state: 'parked',
        failure: { code: 'ERR_ATTEMPTS_EXHAUSTED' },
      });
    });

    it('goes on at once when the head is to be tried again without a wait', async () => {
      const { first, ref } = await acceptPair();
      const one = await takeHead(store, ref);
      const two = headOf(await store.lease.finish(one.lease, retryIn(0), true));
      expect(two.record).toMatchObject({ event: { id: first.id }, attempts: 2 });
      expect(await store.lease.finish(two.lease, retryIn(0), false)).toEqual({ kind: 'handed' });
      expect(await recordOf(store, first)).toMatchObject({ state: 'waiting', attempts: 2 });
    });

    it('waits for whole milliseconds', async () => {
      const { ref } = await acceptPair();
      const { lease } = await takeHead(store, ref);
      expect(await store.lease.finish(lease, retryIn(0.5), false)).toEqual({ kind: 'later', at: clock.now() + 1 });
    });

    it('counts age from when the event was received, not from when it was accepted', async () => {
      const old = await acceptOne(store, event({ receivedAt: clock.now() - maxAgeMs - 1 }));
      expect(await store.lease.take(conversationOf(old))).toEqual({ kind: 'empty' });
      expect((await recordOf(store, old)).state).toBe('expired');
    });
  });
}
