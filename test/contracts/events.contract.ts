import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import type { EventFilter } from '../../src/queue/events.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { altered, conversationOf, createEventMaker, type EventMaker, runEnding } from '../support/events.ts';
import { acceptOne, finishHead, parkOne, recordOf, type StoreHarness, takeHead } from './harness.ts';

const { leaseMs, maxAgeMs } = defaultLimits;

/** What every store promises to operators. */
export function eventsContract(name: string, harness: StoreHarness): void {
  let clock: FakeClock;
  let event: EventMaker;
  let store: Store;
  const setUp = async () => {
    clock = createFakeClock();
    event = createEventMaker(clock.now);
    store = await harness.open({ clock: clock.now });
  };

  describe(`${name} event list`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    async function acceptMany(count: number, overrides: Partial<InboundEvent> = {}): Promise<string[]> {
      const ids: string[] = [];
      for (let i = 0; i < count; i += 1) {
        clock.advance(10);
        ids.unshift((await acceptOne(store, event(overrides))).id);
      }
      return ids;
    }
    const listIds = async (filter: EventFilter, tenant = 'acme') =>
      (await store.events.list(tenant, filter)).events.map((record) => record.event.id);

    it('shows the newest first', async () => {
      const ids = await acceptMany(5);
      expect(await store.events.list('acme', { limit: 200 })).toMatchObject({
        events: ids.map((id) => ({ event: { id } })),
      });
    });

    it('pages through everything once, also while new events arrive', async () => {
      const ids = await acceptMany(7);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.events.list('acme', { limit: 3, ...(cursor === undefined ? {} : { cursor }) });
        expect(page.events.length).toBeLessThanOrEqual(3);
        seen.push(...page.events.map((record) => record.event.id));
        cursor = page.cursor;
        await acceptMany(1);
      } while (cursor !== undefined && seen.length < 100);
      expect(seen).toEqual(ids);
    });

    it('gives no cursor when nothing is left', async () => {
      await acceptMany(2);
      expect((await store.events.list('acme', { limit: 200 })).cursor).toBeUndefined();
      expect(await store.events.list('nobody', { limit: 10 })).toEqual({ events: [] });
    });

    it('filters by state and by channel, alone and together, page by page', async () => {
      const slack = await acceptMany(3);
      const gmail = await acceptMany(3, { channel: 'gmail' });
      await store.events.park('acme', slack[1] ?? '');
      await store.events.park('acme', gmail[0] ?? '');
      expect(await listIds({ channel: 'gmail', limit: 10 })).toEqual(gmail);
      expect(await listIds({ state: 'parked', limit: 10 })).toEqual([gmail[0], slack[1]]);
      expect(await listIds({ state: 'parked', channel: 'slack', limit: 10 })).toEqual([slack[1]]);
      expect(await listIds({ state: 'queued', limit: 10 })).toEqual([gmail[1], gmail[2], slack[0], slack[2]]);
      const page = await store.events.list('acme', { state: 'queued', channel: 'gmail', limit: 1 });
      expect(page.events.map((record) => record.event.id)).toEqual([gmail[1]]);
      const rest = await store.events.list('acme', {
        state: 'queued',
        channel: 'gmail',
        limit: 1,
        cursor: page.cursor ?? '',
      });
      expect(rest.events.map((record) => record.event.id)).toEqual([gmail[2]]);
    });

    it('refuses a cursor that no page gave', async () => {
      await acceptMany(1);
      for (const cursor of ['', 'x', '-1', "1' OR '1", '99999999999999999999999', '\u0000']) {
        await expect(store.events.list('acme', { limit: 1, cursor })).rejects.toMatchObject({
          code: 'ERR_INVALID_REQUEST',
        });
      }
    });

    it('shows a tenant nothing of another, whatever it asks for', async () => {
      const theirs = await parkOne(store, event({ tenant: 'globex' }));
      const mine = await acceptOne(store, event());
      expect(await store.events.get('acme', theirs.id)).toBeNull();
      expect(await listIds({ limit: 10 })).toEqual([mine.id]);
      expect(await store.events.redrive('acme', theirs.id)).toEqual({ kind: 'not_found' });
      expect(await store.events.park('globex', mine.id)).toEqual({ kind: 'not_found' });
      expect(await store.lease.take({ tenant: 'globex', key: mine.conversation.key })).toEqual({ kind: 'empty' });
      expect((await recordOf(store, mine)).state).toBe('queued');
      expect((await recordOf(store, theirs)).state).toBe('parked');
    });

    it('finds nothing under an id that was never made', async () => {
      const { id } = await acceptOne(store, event());
      for (const made of ['ev_none', '', `${id}\u0000`, `${id} `, id.toLowerCase(), '%', '*']) {
        expect(await store.events.get('acme', made)).toBeNull();
        expect(await store.events.park('acme', made)).toEqual({ kind: 'not_found' });
        expect(await store.events.redrive('acme', made)).toEqual({ kind: 'not_found' });
      }
    });
  });

  describe(`${name} park`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    it('parks a queued event and leaves the order of the others alone', async () => {
      const first = await acceptOne(store, event());
      const [second, third] = [
        event({ conversation: first.conversation }),
        event({ conversation: first.conversation }),
      ];
      await store.inbox.accept([second, third]);
      const answer = await store.events.park('acme', second.id);
      expect(answer).toMatchObject({
        kind: 'ok',
        record: { event: { id: second.id }, state: 'parked', failure: { code: 'ERR_PARKED_BY_OPERATOR' } },
      });
      expect((await finishHead(store, conversationOf(first))).event.id).toBe(first.id);
      expect((await finishHead(store, conversationOf(first))).event.id).toBe(third.id);
      expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
    });

    it('takes a running event from its worker and lets the next run at once', async () => {
      const first = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: first.conversation }));
      const { lease } = await takeHead(store, conversationOf(first));
      expect((await store.events.park('acme', first.id)).kind).toBe('ok');
      const running = await takeHead(store, conversationOf(first));
      expect(running.record.event.id).toBe(next.id);
      expect(running.lease.token).toBeGreaterThan(lease.token);
      expect(await store.lease.extend(lease)).toBe(false);
      expect(await store.lease.finish(lease, { kind: 'done', run: runEnding('replied') }, true)).toEqual({
        kind: 'stale',
      });
      const record = await recordOf(store, first);
      expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_PARKED_BY_OPERATOR' } });
      const end = { outcome: 'parked', code: 'ERR_PARKED_BY_OPERATOR', finishedAt: clock.now() };
      expect(record.runs).toMatchObject([end]);
    });

    it('takes a running event from its worker also when nothing follows', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      await store.events.park('acme', first.id);
      expect(await store.lease.finish(lease, { kind: 'done', run: runEnding('replied') }, false)).toEqual({
        kind: 'stale',
      });
      expect(await store.lease.take(conversationOf(first))).toEqual({ kind: 'empty' });
    });

    it('parks an event in back-off and does not make the next one wait for it', async () => {
      const first = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: first.conversation }));
      const { lease } = await takeHead(store, conversationOf(first));
      const retry = { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs: 50_000 } as const;
      await store.lease.finish(lease, retry, false);
      expect((await store.events.park('acme', first.id)).kind).toBe('ok');
      expect((await takeHead(store, conversationOf(first))).record.event.id).toBe(next.id);
    });

    it('leaves a running head alone when a follower is parked', async () => {
      const first = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: first.conversation }));
      const { lease } = await takeHead(store, conversationOf(first));
      await store.events.park('acme', next.id);
      expect(await store.lease.extend(lease)).toBe(true);
      expect(await store.lease.finish(lease, { kind: 'done', run: runEnding('replied') }, true)).toEqual({
        kind: 'empty',
      });
    });

    it('refuses what is in another state and says which', async () => {
      const ended = await acceptOne(store, event());
      await finishHead(store, conversationOf(ended));
      expect(await store.events.park('acme', ended.id)).toEqual({ kind: 'wrong_state', state: 'done' });
      const parked = await parkOne(store, event());
      expect(await store.events.park('acme', parked.id)).toEqual({ kind: 'wrong_state', state: 'parked' });
      expect((await recordOf(store, parked)).failure?.code).toBe('ERR_AGENT_FAILED');
      const other = altered(ended);
      await store.inbox.accept([other]);
      expect(await store.events.park('acme', other.id)).toEqual({ kind: 'wrong_state', state: 'conflict' });
    });
  });

  describe(`${name} redrive`, () => {
    beforeEach(() => setUp());
    afterEach(() => harness.cleanup());

    it('queues a parked event as a new generation with attempts and waits forgotten', async () => {
      const first = await acceptOne(store, event());
      const ref = conversationOf(first);
      const one = await takeHead(store, ref);
      const retry = { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs: 59_000 } as const;
      await store.lease.finish(one.lease, retry, false);
      clock.advance(59_000);
      const two = await takeHead(store, ref);
      await store.lease.finish(
        two.lease,
        { kind: 'parked', run: runEnding('parked'), code: 'ERR_AGENT_FAILED' },
        false,
      );
      clock.advance(1_000);
      const answer = await store.events.redrive('acme', first.id);
      expect(answer).toMatchObject({
        kind: 'ok',
        record: { state: 'queued', generation: 2, attempts: 0, eligibleAt: clock.now() },
      });
      const record = await recordOf(store, first);
      expect(record.failure).toBeUndefined();
      expect(record.runs).toHaveLength(2);
      const three = await takeHead(store, ref);
      expect(three.lease.token).toBeGreaterThan(two.lease.token);
      expect(three.lease.run).toBe(3);
      expect(three.record).toMatchObject({ generation: 2, attempts: 1 });
      expect((await store.lease.finish(three.lease, retry, false)).kind).toBe('later');
    });

    it('appends at the tail of the conversation', async () => {
      const first = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: first.conversation }));
      await store.events.park('acme', first.id);
      await store.events.redrive('acme', first.id);
      const last = await acceptOne(store, event({ conversation: first.conversation }));
      const ran: string[] = [];
      for (let i = 0; i < 3; i += 1) ran.push((await finishHead(store, conversationOf(first))).event.id);
      expect(ran).toEqual([next.id, first.id, last.id]);
    });

    it('counts age from the redrive', async () => {
      const first = await parkOne(store, event());
      clock.advance(maxAgeMs * 3);
      await store.events.redrive('acme', first.id);
      clock.advance(maxAgeMs);
      expect((await takeHead(store, conversationOf(first))).record.event.id).toBe(first.id);
    });

    it('happens once when asked for twice at the same time', async () => {
      const first = await parkOne(store, event());
      const other = await harness.reopen(store);
      const answers = await Promise.all([
        store.events.redrive('acme', first.id),
        other.events.redrive('acme', first.id),
      ]);
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['ok', 'wrong_state']);
      expect((await recordOf(store, first)).generation).toBe(2);
      await finishHead(store, conversationOf(first));
      expect((await store.lease.take(conversationOf(first))).kind).toBe('empty');
    });

    it('refuses whatever is not parked and says what it is', async () => {
      const queued = await acceptOne(store, event());
      expect(await store.events.redrive('acme', queued.id)).toEqual({ kind: 'wrong_state', state: 'queued' });
      await takeHead(store, conversationOf(queued));
      expect(await store.events.redrive('acme', queued.id)).toEqual({ kind: 'wrong_state', state: 'running' });
      const ended = await acceptOne(store, event());
      await finishHead(store, conversationOf(ended));
      expect(await store.events.redrive('acme', ended.id)).toEqual({ kind: 'wrong_state', state: 'done' });
    });

    it('refuses when any run of it delivered its reply', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      const run = runEnding('parked', { reply: { text: 'hello', state: 'delivered' } });
      await store.lease.finish(lease, { kind: 'parked', run, code: 'ERR_AGENT_FAILED' }, false);
      expect(await store.events.redrive('acme', first.id)).toEqual({ kind: 'reply_delivered' });
      expect(await recordOf(store, first)).toMatchObject({ state: 'parked', generation: 1 });
    });

    it('refuses while an effect is ambiguous', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      const run = runEnding('parked', { reply: { text: 'hello', state: 'ambiguous' }, code: 'ERR_AMBIGUOUS_EFFECT' });
      await store.lease.finish(lease, { kind: 'parked', run, code: 'ERR_AMBIGUOUS_EFFECT' }, false);
      expect(await store.events.redrive('acme', first.id)).toEqual({ kind: 'ambiguous' });
      expect((await recordOf(store, first)).state).toBe('parked');
    });

    it('asks for an ambiguous effect to be settled before it says that a reply was delivered', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      const run = runEnding('parked', { reply: { text: 'hello', state: 'delivered' }, code: 'ERR_AMBIGUOUS_EFFECT' });
      await store.lease.finish(lease, { kind: 'parked', run, code: 'ERR_AMBIGUOUS_EFFECT' }, false);
      expect(await store.events.redrive('acme', first.id)).toEqual({ kind: 'ambiguous' });
    });

    it('ends the lease of a worker that froze before the event was parked and redriven', async () => {
      const first = await acceptOne(store, event());
      const frozen = await takeHead(store, conversationOf(first));
      clock.advance(leaseMs + 1);
      await store.events.park('acme', first.id);
      await store.events.redrive('acme', first.id);
      expect(await store.lease.extend(frozen.lease)).toBe(false);
      const current = await takeHead(store, conversationOf(first));
      expect(current.lease.token).toBeGreaterThan(frozen.lease.token);
      expect(await store.lease.finish(frozen.lease, { kind: 'done', run: runEnding('replied') }, false)).toEqual({
        kind: 'stale',
      });
    });
  });
}
