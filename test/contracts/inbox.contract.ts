import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Identity, InboundEvent } from '../../src/core/event.ts';
import { MAX_RELAY_COPIES } from '../../src/core/relay.ts';
import type { Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock, letPass } from '../support/clock.ts';
import {
  altered,
  conversationNamed,
  conversationOf,
  createEventMaker,
  deliveredAgain,
  runEnding,
} from '../support/events.ts';
import { acceptAll, acceptOne, finishHead, recordOf, type StoreHarness, takeHead } from './harness.ts';

const sameNews: Identity = { key: 'k'.repeat(22), fingerprint: 'f'.repeat(22) };

/** What every store promises about accepting. */
export function inboxContract(name: string, harness: StoreHarness): void {
  const holdsQueue = harness.holds !== 'outbox';
  /**
   * Rules of the store that holds the queues alone. It judges them as well when events come to it by way of the edge, but
   * the edge has answered by then. Each case says why.
   */
  const itHoldingTheQueue = (title: string, work: () => Promise<void>): void => {
    if (holdsQueue) it(title, work);
  };

  describe(`${name} inbox`, () => {
    let clock: FakeClock;
    let event: ReturnType<typeof createEventMaker>;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    it('records an accepted event as it came, queued and never attempted', async () => {
      const first = event({ payload: { nested: [1, 'two', null, { '€': 'naïve 漢字 \u0000 "' }] } });
      expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
      expect(await recordOf(store, first)).toEqual({
        event: first,
        state: 'queued',
        generation: 1,
        attempts: 0,
        deliveries: 1,
        eligibleAt: first.receivedAt,
        runs: [],
      });
    });

    it('answers a second delivery with the id of the first and counts it', async () => {
      const first = await acceptOne(store, event());
      expect(await store.inbox.accept([deliveredAgain(first)])).toEqual([{ outcome: 'duplicate', id: first.id }]);
      expect(await store.inbox.accept([deliveredAgain(first)])).toEqual([{ outcome: 'duplicate', id: first.id }]);
      expect((await recordOf(store, first)).deliveries).toBe(3);
    });

    it('leaves no record of its own for a duplicate', async () => {
      const first = await acceptOne(store, event());
      const second = deliveredAgain(first);
      await store.inbox.accept([second]);
      expect(await store.events.get(second.tenant, second.id)).toBeNull();
      expect((await store.events.list('acme', { limit: 10 })).events).toHaveLength(1);
    });

    it('knows a duplicate of an event that has ended', async () => {
      const first = await acceptOne(store, event());
      await finishHead(store, conversationOf(first));
      expect(await store.inbox.accept([deliveredAgain(first)])).toEqual([{ outcome: 'duplicate', id: first.id }]);
      expect(await recordOf(store, first)).toMatchObject({ state: 'done', deliveries: 2 });
      expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
    });

    it('takes a command that was sent again for the same delivery as accepted, once', async () => {
      const first = await acceptOne(store, event());
      expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
      expect((await recordOf(store, first)).deliveries).toBe(1);
      await finishHead(store, conversationOf(first));
      expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
    });

    it('records other content under the same key as one conflict and never runs it', async () => {
      const first = await acceptOne(store, event());
      const other = altered(first);
      expect(await store.inbox.accept([other])).toEqual([{ outcome: 'conflict', id: other.id }]);
      expect(await recordOf(store, other)).toMatchObject({ state: 'conflict', event: { text: 'another text' } });
      await finishHead(store, conversationOf(first));
      expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
    });

    it('keeps one conflict record per key and fingerprint', async () => {
      const first = await acceptOne(store, event());
      const other = altered(first);
      await store.inbox.accept([other]);
      expect(await store.inbox.accept([deliveredAgain(other)])).toEqual([{ outcome: 'conflict', id: other.id }]);
      expect((await recordOf(store, other)).deliveries).toBe(2);
      // Sent again is not delivered again.
      expect(await store.inbox.accept([other])).toEqual([{ outcome: 'conflict', id: other.id }]);
      expect((await recordOf(store, other)).deliveries).toBe(2);
      const third = altered(first, 'a third text');
      expect(await store.inbox.accept([third])).toEqual([{ outcome: 'conflict', id: third.id }]);
      expect((await store.events.list('acme', { state: 'conflict', limit: 10 })).events).toHaveLength(2);
      expect((await recordOf(store, first)).deliveries).toBe(1);
    });

    it('judges many events of one call one by one, in order', async () => {
      const [first, second] = [event(), event()];
      const other = altered(first);
      const answers = await store.inbox.accept([first, deliveredAgain(first), second, other]);
      expect(answers).toEqual([
        { outcome: 'accepted', id: first.id },
        { outcome: 'duplicate', id: first.id },
        { outcome: 'accepted', id: second.id },
        { outcome: 'conflict', id: other.id },
      ]);
      expect(await store.inbox.accept([])).toEqual([]);
    });

    it('accepts one of 200 copies that arrive at once over several handles', async () => {
      const handles = [store, await harness.reopen(store), await harness.reopen(store), await harness.reopen(store)];
      const first = event();
      const copies = Array.from({ length: 200 }, () => deliveredAgain(first));
      const answers = (
        await Promise.all(copies.map((copy, i) => (handles[i % handles.length] ?? store).inbox.accept([copy])))
      ).flat();
      expect(answers.filter((answer) => answer.outcome === 'accepted')).toHaveLength(1);
      expect(answers.filter((answer) => answer.outcome === 'duplicate')).toHaveLength(199);
      const ids = new Set(answers.map((answer) => ('id' in answer ? answer.id : answer.outcome)));
      expect(ids.size).toBe(1);
      const [id = ''] = ids;
      // Of one batch, the relay counts so many further deliveries: they are a statistic.
      const deliveries = holdsQueue ? 200 : 1 + MAX_RELAY_COPIES;
      expect(await store.events.get('acme', id)).toMatchObject({ state: 'queued', deliveries });
      expect((await store.events.list('acme', { limit: 10 })).events).toHaveLength(1);
    });

    it('shows what one handle accepted to every other handle', async () => {
      const other = await harness.reopen(store);
      const first = await acceptOne(store, event());
      expect((await recordOf(other, first)).state).toBe('queued');
      expect(await acceptAll(other, [deliveredAgain(first)])).toEqual(['duplicate']);
    });

    it('forgets a key when its window has passed and not before', async () => {
      const [short, long] = [event({ windowMs: 300 }), event({ windowMs: 3_600_000 })];
      await store.inbox.accept([short, long]);
      await letPass(clock, 320);
      const again = deliveredAgain(short);
      expect(await store.inbox.accept([again])).toEqual([{ outcome: 'accepted', id: again.id }]);
      expect(await acceptAll(store, [deliveredAgain(long)])).toEqual(['duplicate']);
      expect((await recordOf(store, short)).deliveries).toBe(1);
      expect((await recordOf(store, again)).state).toBe('queued');
    });

    // Only the store that starts events knows when one starts: the edge forgets such a mark when the event is delivered.
    itHoldingTheQueue(
      'forgets the key of an event that asks for it when the event is first taken, not when it ends',
      async () => {
        const place = conversationNamed('lifecycle');
        const missed = (): InboundEvent => event({ seenUntil: 'start', conversation: place, identity: sameNews });
        const first = await acceptOne(store, missed());
        expect(await store.inbox.accept([missed()])).toEqual([{ outcome: 'duplicate', id: first.id }]);
        const { lease } = await takeHead(store, conversationOf(first));
        expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
        const second = await acceptOne(store, missed());
        expect(await store.inbox.accept([missed()])).toEqual([{ outcome: 'duplicate', id: second.id }]);
        expect(await store.inbox.accept([second])).toEqual([{ outcome: 'accepted', id: second.id }]);
        await store.lease.finish(
          lease,
          { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs: 0 },
          false,
        );
        expect((await takeHead(store, conversationOf(first))).record).toMatchObject({
          event: { id: first.id },
          attempts: 2,
        });
        expect(await store.inbox.accept([missed()])).toEqual([{ outcome: 'duplicate', id: second.id }]);
      },
    );

    // Only the store that starts events knows when one starts: the edge forgets such a mark when the event is delivered.
    itHoldingTheQueue('forgets with such a key what contradicted it', async () => {
      const first = await acceptOne(store, event({ seenUntil: 'start' }));
      const other = altered(first);
      expect(await acceptAll(store, [other])).toEqual(['conflict']);
      await takeHead(store, conversationOf(first));
      const again = deliveredAgain(other);
      expect(await store.inbox.accept([again])).toEqual([{ outcome: 'accepted', id: again.id }]);
      expect(await acceptAll(store, [deliveredAgain(first)])).toEqual(['conflict']);
      // What has begun is known by its record even without its mark.
      expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
    });

    it('forgets a conflict with its window: the same content is then a first delivery', async () => {
      const first = await acceptOne(store, event({ windowMs: 300 }));
      const other = altered(first);
      expect(await acceptAll(store, [other])).toEqual(['conflict']);
      await letPass(clock, 320);
      expect(await acceptAll(store, [deliveredAgain(other)])).toEqual(['accepted']);
      expect(await acceptAll(store, [deliveredAgain(first)])).toEqual(['conflict']);
    });

    it('adds a mention that only the twin delivery knows while the event waits, and never takes one away', async () => {
      const [plain, named] = [event(), event({ mentioned: true })];
      await store.inbox.accept([plain, named]);
      await store.inbox.accept([deliveredAgain(plain, { mentioned: true }), deliveredAgain(named)]);
      expect((await recordOf(store, plain)).event).toEqual({ ...plain, mentioned: true });
      expect((await recordOf(store, named)).event.mentioned).toBe(true);
      expect((await takeHead(store, conversationOf(plain))).record.event.mentioned).toBe(true);
    });

    it('leaves an event alone that has begun without the mention', async () => {
      const first = await acceptOne(store, event());
      await takeHead(store, conversationOf(first));
      expect(await acceptAll(store, [deliveredAgain(first, { mentioned: true })])).toEqual(['duplicate']);
      expect((await recordOf(store, first)).event.mentioned).toBe(false);
    });

    it('does not let a conflict upgrade the event it contradicts', async () => {
      const first = await acceptOne(store, event());
      await store.inbox.accept([{ ...altered(first), mentioned: true }]);
      expect((await recordOf(store, first)).event.mentioned).toBe(false);
    });

    it('keeps the same identity, conversation and order apart for each tenant', async () => {
      const mine = event({ conversation: conversationNamed('shared') });
      const theirs = deliveredAgain(mine, { tenant: 'globex' });
      expect(await acceptAll(store, [mine, theirs])).toEqual(['accepted', 'accepted']);
      expect((await takeHead(store, conversationOf(mine))).record.event.id).toBe(mine.id);
      expect((await takeHead(store, conversationOf(theirs))).record.event.id).toBe(theirs.id);
    });

    it('refuses once it is closed instead of waiting', async () => {
      await store.close();
      await expect(store.inbox.accept([event()])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    });

    it('finds itself durable', async () => {
      await expect(store.check()).resolves.toBeUndefined();
    });
  });

  describe(`${name} inbox at its cap`, () => {
    const clock = createFakeClock();
    const event = createEventMaker(clock.now);
    const openCapped = (queueCap: number) => harness.open({ clock: clock.now, limits: { queueCap } });
    afterEach(() => harness.cleanup());

    // This cap is on what waits to run. The edge has one of its own, on what waits to be forwarded.
    itHoldingTheQueue('refuses a tenant at its cap without marking the event seen, and accepts it later', async () => {
      const store = await openCapped(2);
      const [first, second, third] = [event(), event(), event()];
      expect(await acceptAll(store, [first, second, third])).toEqual(['accepted', 'accepted', 'full']);
      expect(await acceptAll(store, [third])).toEqual(['full']);
      expect(await store.events.get(third.tenant, third.id)).toBeNull();
      expect((await store.events.list('acme', { limit: 10 })).events).toHaveLength(2);
      expect((await store.lease.take(conversationOf(third))).kind).toBe('empty');

      await finishHead(store, conversationOf(first));
      const retried = deliveredAgain(third);
      expect(await store.inbox.accept([retried])).toEqual([{ outcome: 'accepted', id: retried.id }]);
      expect((await finishHead(store, conversationOf(retried))).event.id).toBe(retried.id);
    });

    // This cap is on what waits to run. The edge has one of its own, on what waits to be forwarded.
    itHoldingTheQueue('still judges duplicates and conflicts', async () => {
      const store = await openCapped(1);
      const first = await acceptOne(store, event());
      expect(await acceptAll(store, [deliveredAgain(first), altered(first), event()])).toEqual([
        'duplicate',
        'conflict',
        'full',
      ]);
      expect((await recordOf(store, first)).deliveries).toBe(2);
    });

    it('takes its own delivery, sent again, as accepted', async () => {
      const store = await openCapped(1);
      const first = await acceptOne(store, event());
      expect(await acceptAll(store, [first])).toEqual(['accepted']);
    });

    // This cap is on what waits to run. The edge has one of its own, on what waits to be forwarded.
    itHoldingTheQueue('counts neither what ended, nor what is parked, nor conflicts', async () => {
      const store = await openCapped(1);
      const first = await acceptOne(store, event());
      expect(await acceptAll(store, [altered(first)])).toEqual(['conflict']);
      await store.events.park(first.tenant, first.id);
      const second = await acceptOne(store, event());
      await finishHead(store, conversationOf(second));
      await acceptOne(store, event());
      expect(await acceptAll(store, [event()])).toEqual(['full']);
    });

    // This cap is on what waits to run. The edge has one of its own, on what waits to be forwarded.
    itHoldingTheQueue('does not refuse one tenant for another', async () => {
      const store = await openCapped(1);
      await acceptOne(store, event());
      expect(await acceptAll(store, [event(), event({ tenant: 'globex' })])).toEqual(['full', 'accepted']);
    });

    // The edge has no rate of a channel: what is over it waits in the outbox until there is room.
    if (!holdsQueue) return;
    describe('the rate of a channel', () => {
      let store: Store;
      const HOUR_MS = 3_600_000;
      const openLimited = (count: number) =>
        harness.open({ clock: clock.now, limits: { channelRate: { count, windowMs: HOUR_MS } } });
      const outcomes = async (events: readonly InboundEvent[]) => acceptAll(store, events);

      it('refuses what is more than its bucket holds, and says when the next may come', async () => {
        store = await openLimited(4);
        const events = Array.from({ length: 6 }, () => event());
        const answers = await store.inbox.accept(events);
        expect(answers.map(({ outcome }) => outcome)).toEqual([
          ...Array.from({ length: 4 }, () => 'accepted'),
          'limited',
          'limited',
        ]);
        expect(answers[5]).toEqual({ outcome: 'limited', retryAfterMs: HOUR_MS / 4 });
        clock.advance(HOUR_MS / 4 - 1);
        expect(await store.inbox.accept(events.slice(4, 5))).toEqual([{ outcome: 'limited', retryAfterMs: 1 }]);
        clock.advance(1);
        // It was not marked as seen while it was refused.
        expect(await outcomes(events.slice(4))).toEqual(['accepted', 'limited']);
        expect(await store.events.get('acme', events[5]?.id ?? '')).toBeNull();
      });

      it('does not count duplicates, conflicts and calls that are sent again, and lets them through when it is used up', async () => {
        store = await openLimited(2);
        const first = await acceptOne(store, event());
        for (let n = 0; n < 5; n += 1) {
          expect(await outcomes([deliveredAgain(first), altered(first), first])).toEqual([
            'duplicate',
            'conflict',
            'accepted',
          ]);
        }
        const second = await acceptOne(store, event());
        expect(await outcomes([event(), deliveredAgain(second), second])).toEqual(['limited', 'duplicate', 'accepted']);
      });

      it('fills evenly, up to what it holds', async () => {
        store = await openLimited(60);
        expect(await outcomes(Array.from({ length: 61 }, () => event()))).toContain('limited');
        clock.advance(HOUR_MS / 2);
        const half = await outcomes(Array.from({ length: 40 }, () => event()));
        expect(half.filter((outcome) => outcome === 'accepted')).toHaveLength(30);
        clock.advance(100 * HOUR_MS);
        const full = await outcomes(Array.from({ length: 70 }, () => event()));
        expect(full.filter((outcome) => outcome === 'accepted')).toHaveLength(60);
      });

      it('is each tenant’s and each channel’s own, and the same for all processes', async () => {
        store = await openLimited(3);
        const other = await harness.reopen(store);
        const many = (overrides: Partial<InboundEvent>) => Array.from({ length: 2 }, () => event(overrides));
        expect(await acceptAll(store, many({}))).toEqual(['accepted', 'accepted']);
        expect(await acceptAll(other, many({}))).toEqual(['accepted', 'limited']);
        expect(await acceptAll(other, many({ channel: 'graph' }))).toEqual(['accepted', 'accepted']);
        expect(await acceptAll(other, many({ tenant: 'globex' }))).toEqual(['accepted', 'accepted']);
      });

      it('loses nothing of a fraction: 7 in an hour are 7 in each hour', async () => {
        store = await openLimited(7);
        let accepted = 0;
        for (let step = 0; step < 210; step += 1) {
          accepted += (await outcomes([event()])).filter((outcome) => outcome === 'accepted').length;
          clock.advance(HOUR_MS / 70);
        }
        expect(accepted).toBe(7 + 20);
      });
    });
  });
}
