import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { InboundEvent } from '../../src/core/event.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock, PATIENCE_MS } from '../support/clock.ts';
import { conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, recordOf, type StoreHarness, takeHead } from './harness.ts';

/** What every store promises to operators who found out what became of an effect. */
export function resolveContract(name: string, harness: StoreHarness): void {
  describe(`${name} resolve`, () => {
    let clock: FakeClock;
    let event: EventMaker;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      event = createEventMaker(clock.now);
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    /** An event that was parked with an intent in its journal. */
    async function ambiguous(
      step = 'reply',
      code: ErrorCode = 'ERR_AMBIGUOUS_EFFECT',
      more: { more?: true } = {},
    ): Promise<InboundEvent> {
      const one = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(one));
      await store.journal.record(lease, step, { kind: 'intent', value: { text: 'hello \ud83d', ...more } }, 0);
      await store.lease.finish(lease, { kind: 'parked', run: runEnding('parked', { code }), code }, false);
      return one;
    }
    const journalOf = async (one: InboundEvent) => {
      const { lease } = await takeHead(store, conversationOf(one));
      return store.journal.replay(lease);
    };

    it('ends an event whose reply was delivered, and says so in its run', async () => {
      const one = await ambiguous();
      const answer = await store.events.resolve('acme', one.id, 'reply', 'delivered');
      const reply = { text: 'hello \ud83d', state: 'delivered' };
      expect(answer).toMatchObject({ kind: 'ok', record: { state: 'done', runs: [{ reply }] } });
      expect((await recordOf(store, one)).failure).toBeUndefined();
      expect(await store.events.redrive('acme', one.id)).toEqual({ kind: 'wrong_state', state: 'done' });
      clock.advance(defaultLimits.retentionMs + 1);
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      await vi.waitFor(async () => expect(await store.events.get('acme', one.id)).toBeNull(), { timeout: PATIENCE_MS });
      await consumer.close(1_000);
    });

    it('makes an event whose effect did not happen redrivable, and lets the effect be tried again', async () => {
      const one = await ambiguous();
      expect(await store.events.resolve('acme', one.id, 'reply', 'not_delivered')).toMatchObject({
        kind: 'ok',
        record: { state: 'parked', failure: { code: 'ERR_EFFECT_NOT_DELIVERED' } },
      });
      expect((await store.events.redrive('acme', one.id)).kind).toBe('ok');
      const entry = { kind: 'refused', at: clock.now(), value: { text: 'hello \ud83d' } };
      expect((await journalOf(one)).get('reply')).toEqual(entry);
    });

    it('settles effects of tools by their step, without making a reply of them', async () => {
      const one = await ambiguous('tool:1.0');
      const answer = await store.events.resolve('acme', one.id, 'tool:1.0', 'delivered');
      expect(answer).toMatchObject({ kind: 'ok', record: { state: 'done' } });
      expect((await recordOf(store, one)).runs[0]?.reply).toBeUndefined();
    });

    it('keeps an event redrivable while messages of its reply are to follow the one that was delivered', async () => {
      const one = await ambiguous('reply', 'ERR_AMBIGUOUS_EFFECT', { more: true });
      const answer = await store.events.resolve('acme', one.id, 'reply', 'delivered');
      const parked = { state: 'parked', failure: { code: 'ERR_EFFECT_NOT_DELIVERED' } };
      expect(answer).toMatchObject({ kind: 'ok', record: parked });
      expect((await recordOf(store, one)).runs[0]?.reply).toBeUndefined();
      expect((await store.events.redrive('acme', one.id)).kind).toBe('ok');
      expect((await journalOf(one)).get('reply')).toMatchObject({ kind: 'result' });
    });

    it('refuses events that are not ambiguous, and changes nothing', async () => {
      const queued = await acceptOne(store, event());
      const wrong = (state: string) => ({ kind: 'wrong_state', state });
      expect(await store.events.resolve('acme', queued.id, 'reply', 'delivered')).toEqual(wrong('queued'));
      const parked = await ambiguous('reply', 'ERR_AGENT_FAILED');
      expect(await store.events.resolve('acme', parked.id, 'reply', 'not_delivered')).toEqual(wrong('parked'));
      expect(await recordOf(store, parked)).toMatchObject({ failure: { code: 'ERR_AGENT_FAILED' } });
    });

    it('refuses effects that are not under way', async () => {
      const one = await ambiguous();
      for (const effect of ['notice', '', '__proto__', 'tool:1.0']) {
        expect(await store.events.resolve('acme', one.id, effect, 'delivered')).toEqual({ kind: 'no_effect' });
      }
      expect((await recordOf(store, one)).state).toBe('parked');
    });

    it('happens once', async () => {
      const one = await ambiguous();
      const other = await harness.reopen(store);
      const answers = await Promise.all([
        store.events.resolve('acme', one.id, 'reply', 'delivered'),
        other.events.resolve('acme', one.id, 'reply', 'not_delivered'),
      ]);
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['ok', 'wrong_state']);
    });

    it('finds nothing of another tenant', async () => {
      const one = await ambiguous();
      expect(await store.events.resolve('globex', one.id, 'reply', 'delivered')).toEqual({ kind: 'not_found' });
      expect((await recordOf(store, one)).failure?.code).toBe('ERR_AMBIGUOUS_EFFECT');
    });

    it('leaves a delivered reply with half a character undriven', async () => {
      const one = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(one));
      const run = runEnding('parked', { reply: { text: 'half \ud83d', state: 'delivered' } });
      await store.lease.finish(lease, { kind: 'parked', run, code: 'ERR_AGENT_FAILED' }, false);
      expect(await store.events.redrive('acme', one.id)).toEqual({ kind: 'reply_delivered' });
    });
  });
}
