import { afterEach, describe, expect, it, vi } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, PATIENCE_MS } from '../support/clock.ts';
import { altered, conversationOf, createEventMaker, deliveredAgain, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, parkOne, recordOf, type StoreHarness, takeHead } from './harness.ts';

const RETENTION_MS = 3_600_000;

/** What every store promises about forgetting. Workers do it beside their work. */
export function retentionContract(name: string, harness: StoreHarness): void {
  describe(`${name} retention`, () => {
    afterEach(() => harness.cleanup());

    const open = async () => {
      const clock = createFakeClock();
      const store = await harness.open({ clock: clock.now, limits: { retentionMs: RETENTION_MS } });
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      return { clock, store, event: createEventMaker(clock.now), close: () => consumer.close(1_000) };
    };
    const gone = (store: Store, event: InboundEvent) =>
      vi.waitFor(async () => expect(await store.events.get(event.tenant, event.id)).toBeNull(), {
        timeout: PATIENCE_MS,
        interval: 50,
      });

    it('removes an ended event when its time has come and not before', async () => {
      const { clock, store, event, close } = await open();
      const early = await acceptOne(store, event());
      await finishHead(store, conversationOf(early));
      clock.advance(10_000);
      const late = await acceptOne(store, event());
      await finishHead(store, conversationOf(late));
      clock.advance(RETENTION_MS - 5_000);
      await gone(store, early);
      expect((await recordOf(store, late)).state).toBe('done');
      expect((await store.events.list('acme', { limit: 10 })).events).toMatchObject([{ event: { id: late.id } }]);
      clock.advance(10_000);
      await gone(store, late);
      await close();
    });

    it('counts from the end of an event, not from when it was accepted', async () => {
      const { clock, store, event, close } = await open();
      const marker = await acceptOne(store, event());
      const slow = await acceptOne(store, event());
      await finishHead(store, conversationOf(marker));
      clock.advance(RETENTION_MS - 1);
      await finishHead(store, conversationOf(slow));
      clock.advance(2);
      await gone(store, marker);
      expect((await recordOf(store, slow)).state).toBe('done');
      await close();
    });

    it('takes record, journal and index together, of whatever ended without a person', async () => {
      const { clock, store, event, close } = await open();
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      await store.journal.record(lease, 'reply', { kind: 'result', value: 'delivered' }, 0);
      await store.lease.finish(lease, { kind: 'ignored', run: runEnding('ignored') }, false);
      const other = altered(first);
      await store.inbox.accept([other]);
      const old = await acceptOne(store, event({ receivedAt: clock.now() - defaultLimits.maxAgeMs - 1 }));
      await store.lease.take(conversationOf(old));
      expect((await recordOf(store, old)).state).toBe('expired');

      clock.advance(RETENTION_MS + 1);
      for (const each of [first, other, old]) await gone(store, each);
      expect(await store.journal.replay(lease)).toEqual(new Map());
      expect(await store.events.list('acme', { limit: 10 })).toEqual({ events: [] });
      expect(await store.events.list('acme', { state: 'conflict', limit: 10 })).toEqual({ events: [] });
      expect((await store.jobs.stats()).states.ignored ?? 0).toBe(0);
      await close();
    });

    it('is the tenant’s own, where it has one, however its event ended', async () => {
      const clock = createFakeClock();
      const retentionMsOf = new Map([
        ['short-lived', 60_000],
        ['long', RETENTION_MS * 3],
      ]);
      const store = await harness.open({ clock: clock.now, limits: { retentionMs: RETENTION_MS, retentionMsOf } });
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      const event = createEventMaker(clock.now);
      const endAll = async (tenant: string) => {
        const done = await acceptOne(store, event({ tenant }));
        await finishHead(store, conversationOf(done));
        const conflict = altered(done);
        await store.inbox.accept([conflict]);
        const old = await acceptOne(store, event({ tenant, receivedAt: clock.now() - defaultLimits.maxAgeMs - 1 }));
        await store.lease.take(conversationOf(old));
        return [done, conflict, old];
      };
      const short = await endAll('short-lived');
      const usual = await endAll('acme');
      const long = await endAll('long');
      const kept = async (events: readonly InboundEvent[]) => {
        for (const each of events) expect(await store.events.get(each.tenant, each.id)).not.toBeNull();
      };
      clock.advance(59_000);
      await kept([...short, ...usual, ...long]);
      clock.advance(1_001);
      for (const each of short) await gone(store, each);
      await kept([...usual, ...long]);
      clock.advance(RETENTION_MS);
      for (const each of usual) await gone(store, each);
      await kept(long);
      clock.advance(RETENTION_MS * 2);
      for (const each of long) await gone(store, each);
      await consumer.close(1_000);
    });

    it('keeps what is queued or parked, however old', async () => {
      const { clock, store, event, close } = await open();
      const ended = await acceptOne(store, event());
      const parked = await parkOne(store, event());
      const queued = await acceptOne(store, event());
      await finishHead(store, conversationOf(ended));
      clock.advance(RETENTION_MS * 10);
      await gone(store, ended);
      expect((await recordOf(store, parked)).state).toBe('parked');
      expect((await recordOf(store, queued)).state).toBe('queued');
      expect((await store.events.redrive('acme', parked.id)).kind).toBe('ok');
      await close();
    });

    it('still knows a duplicate whose record is gone, and makes no ghost of it', async () => {
      const { clock, store, event, close } = await open();
      const first = await acceptOne(store, event({ windowMs: RETENTION_MS * 24 }));
      await finishHead(store, conversationOf(first));
      clock.advance(RETENTION_MS + 1);
      await gone(store, first);
      const twin = deliveredAgain(first, { mentioned: true });
      expect(await store.inbox.accept([twin])).toEqual([{ outcome: 'duplicate', id: first.id }]);
      expect(await store.events.get('acme', first.id)).toBeNull();
      expect(await store.events.list('acme', { limit: 10 })).toEqual({ events: [] });
      await close();
    });
  });
}
