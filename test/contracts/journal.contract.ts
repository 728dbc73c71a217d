import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, type StoreHarness, takeHead } from './harness.ts';

const { leaseMs } = defaultLimits;

/** What every store promises to a second attempt. */
export function journalContract(name: string, harness: StoreHarness): void {
  describe(`${name} journal`, () => {
    let clock: FakeClock;
    let event: EventMaker;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    const begin = async () => {
      const first = await acceptOne(store, event());
      return { first, ...(await takeHead(store, conversationOf(first))) };
    };

    it('is empty before anything was recorded', async () => {
      const { lease } = await begin();
      expect(await store.journal.replay(lease)).toEqual(new Map());
    });

    it('keeps one entry a step, the latest, with the time it was recorded', async () => {
      const { lease } = await begin();
      expect(await store.journal.record(lease, 'reply', { kind: 'intent', value: { replyId: 'r1' } }, 0)).toBe(true);
      clock.advance(5);
      expect(await store.journal.record(lease, 'model:1', { kind: 'result', value: ['text', null, 1.5] }, 0)).toBe(
        true,
      );
      clock.advance(5);
      expect(await store.journal.record(lease, 'reply', { kind: 'result', value: 'delivered' }, 0)).toBe(true);
      expect(await store.journal.replay(lease)).toEqual(
        new Map([
          ['reply', { kind: 'result', at: clock.now(), value: 'delivered' }],
          ['model:1', { kind: 'result', at: clock.now() - 5, value: ['text', null, 1.5] }],
        ]),
      );
    });

    it('tells the time of the clock that stamps its entries', async () => {
      const { lease } = await begin();
      clock.advance(1_234);
      await store.journal.record(lease, 'reply', { kind: 'intent', value: null }, 0);
      const stamped = (await store.journal.replay(lease)).get('reply')?.at;
      expect([stamped, await store.journal.now(lease)]).toEqual([clock.now(), clock.now()]);
    });

    it('takes any text as the name of a step', async () => {
      const { lease } = await begin();
      const steps = ['__proto__', 'a:b', 'naïve 漢字', ''];
      for (const step of steps) await store.journal.record(lease, step, { kind: 'result', value: step }, 0);
      expect([...(await store.journal.replay(lease)).keys()].sort()).toEqual([...steps].sort());
    });

    it('holds the lease at least as long as the effect may take', async () => {
      const { lease } = await begin();
      await store.journal.record(lease, 'reply', { kind: 'intent', value: null }, leaseMs * 2);
      clock.advance(leaseMs + 1);
      expect(await store.lease.take(lease.conversation)).toEqual({ kind: 'held', at: clock.now() + leaseMs - 1 });
    });

    it('never shortens a lease, and neither does extending it afterwards', async () => {
      const { lease } = await begin();
      await store.journal.record(lease, 'reply', { kind: 'intent', value: null }, 1);
      expect(await store.lease.take(lease.conversation)).toEqual({ kind: 'held', at: clock.now() + leaseMs });
      await store.journal.record(lease, 'reply', { kind: 'intent', value: null }, leaseMs * 2);
      await store.lease.extend(lease);
      expect(await store.lease.take(lease.conversation)).toEqual({ kind: 'held', at: clock.now() + leaseMs * 2 });
    });

    it('records nothing for a worker that lost its lease', async () => {
      const { lease: frozen } = await begin();
      clock.advance(leaseMs + 1);
      const { lease } = await takeHead(store, frozen.conversation);
      expect(await store.journal.record(frozen, 'reply', { kind: 'intent', value: null }, leaseMs * 9)).toBe(false);
      expect(await store.journal.replay(lease)).toEqual(new Map());
      expect(await store.lease.take(lease.conversation)).toEqual({ kind: 'held', at: clock.now() + leaseMs });
    });

    it('records nothing after the run was finished or the event was parked', async () => {
      const one = await begin();
      await store.lease.finish(one.lease, { kind: 'done', run: runEnding('replied') }, false);
      expect(await store.journal.record(one.lease, 'reply', { kind: 'intent', value: null }, 0)).toBe(false);
      const two = await begin();
      await store.events.park('acme', two.first.id);
      expect(await store.journal.record(two.lease, 'reply', { kind: 'intent', value: null }, 0)).toBe(false);
    });

    it('shows the next attempt what the last one recorded', async () => {
      const { lease: first } = await begin();
      await store.journal.record(first, 'tool:pay', { kind: 'intent', value: { amount: 3 } }, 0);
      clock.advance(leaseMs + 1);
      const { lease } = await takeHead(store, first.conversation);
      expect((await store.journal.replay(lease)).get('tool:pay')).toMatchObject({
        kind: 'intent',
        value: { amount: 3 },
      });
    });

    it('shows a new generation what the last one recorded', async () => {
      const { first, lease } = await begin();
      await store.journal.record(lease, 'reply', { kind: 'result', value: 'absent' }, 0);
      await store.lease.finish(lease, { kind: 'parked', run: runEnding('parked'), code: 'ERR_AGENT_FAILED' }, false);
      await store.events.redrive('acme', first.id);
      const next = await takeHead(store, conversationOf(first));
      expect(next.record.generation).toBe(2);
      expect((await store.journal.replay(next.lease)).get('reply')).toMatchObject({ value: 'absent' });
    });

    it('keeps the steps of events apart, also of followers in one conversation', async () => {
      const { first, lease } = await begin();
      const follower = await acceptOne(store, event({ conversation: first.conversation }));
      await store.journal.record(lease, 'reply', { kind: 'result', value: 'delivered' }, 0);
      await store.lease.finish(lease, { kind: 'done', run: runEnding('replied') }, false);
      const next = await takeHead(store, conversationOf(follower));
      expect(await store.journal.replay(next.lease)).toEqual(new Map());
    });

    it('shows a tenant nothing of another', async () => {
      const { lease } = await begin();
      await store.journal.record(lease, 'reply', { kind: 'result', value: 'delivered' }, 0);
      const foreign = { ...lease, conversation: { ...lease.conversation, tenant: 'globex' } };
      expect(await store.journal.replay(foreign)).toEqual(new Map());
      expect(await store.journal.record(foreign, 'reply', { kind: 'result', value: 'other' }, 0)).toBe(false);
    });
  });
}
