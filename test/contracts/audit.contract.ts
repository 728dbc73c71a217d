import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AuditEntry, EMPTY, GENESIS, type TimedNote } from '../../src/core/audit/chain.ts';
import { verifyChain } from '../../src/core/audit/verify.ts';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import type { Store } from '../../src/queue/store.ts';
import { createFakeClock, PATIENCE_MS } from '../support/clock.ts';
import { conversationOf, createEventMaker, runEnding } from '../support/events.ts';
import { acceptOne, type StoreHarness, takeHead } from './harness.ts';

const note = (subject: string, at = 1_900_000_000_000): TimedNote => ({
  at,
  actor: 'agent:test',
  action: 'run.finished',
  subject,
  data: { outcome: 'replied', usage: { usdMicros: 12 }, ключ: ['€', null, true, -1] },
});
const notes = (count: number, name = 'e'): TimedNote[] => Array.from({ length: count }, (_, n) => note(`${name}${n}`));

const whole = (store: Store, tenant = 'acme', from = 1): Promise<readonly AuditEntry[]> =>
  store.audit.read(tenant, { from, limit: 1_000 });

/** What every store promises about the audit. */
export function auditContract(name: string, harness: StoreHarness): void {
  describe(`${name} audit`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await harness.open();
    });
    afterEach(() => harness.cleanup());

    it('is empty at first', async () => {
      expect(await whole(store)).toEqual([]);
      expect(await store.audit.head('acme')).toEqual(EMPTY);
    });

    it('keeps entries as they were given, numbered from 1, each with the hash of the one before', async () => {
      const head = await store.audit.append('acme', [note('a', 1_900_000_000_123), note('b')]);
      const entries = await whole(store);
      expect(entries).toEqual([
        {
          ...{ seq: 1, at: '2030-03-17T17:46:40.123Z', tenant: 'acme', actor: 'agent:test', action: 'run.finished' },
          ...{ subject: 'a', data: note('a').data, prev: GENESIS, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
        expect.objectContaining({ seq: 2, subject: 'b', prev: entries[0]?.hash }),
      ]);
      expect(head).toEqual({ seq: 2, hash: entries[1]?.hash });
      expect(await store.audit.head('acme')).toEqual(head);
      expect(verifyChain(entries, sha256)).toEqual({
        ok: true,
        entries: 2,
        chain: { tenant: 'acme', first: 1, head },
      });
    });

    it('adds what one caller gives at once next to each other, in order, many at a time', async () => {
      await Promise.all(Array.from({ length: 40 }, (_, n) => store.audit.append('acme', notes(7, `${n}-`))));
      const subjects = (await whole(store)).map(({ subject }) => subject);
      expect(subjects).toHaveLength(280);
      for (let at = 0; at < 280; at += 7) {
        const [group] = (subjects[at] ?? '').split('-');
        expect(subjects.slice(at, at + 7)).toEqual(notes(7, `${group}-`).map(({ subject }) => subject));
      }
    });

    it('takes more in one call than fits into one step', async () => {
      await store.audit.append('acme', notes(700));
      await store.audit.append('acme', []);
      const entries = await whole(store);
      expect(entries.map(({ subject }) => subject)).toEqual(notes(700).map(({ subject }) => subject));
      expect(verifyChain(entries, sha256).ok).toBe(true);
    });

    it('has no gap and no fork under eight writers, and each entry once', async () => {
      const writers = await Promise.all(Array.from({ length: 8 }, () => harness.reopen(store)));
      const heads = await Promise.all(
        writers.flatMap((writer, w) =>
          Array.from({ length: 25 }, async (_, n) => {
            await new Promise((resolve) => setTimeout(resolve, n * 3));
            return writer.audit.append('acme', [note(`${w}.${n}`), note(`${w}.${n}+`)]);
          }),
        ),
      );
      const entries = await whole(store);
      expect(verifyChain(entries, sha256, heads)).toMatchObject({ ok: true, entries: 400 });
      expect(new Set(entries.map(({ subject }) => subject)).size).toBe(400);
    });

    it('keeps the very same words of two writers apart', async () => {
      const other = await harness.reopen(store);
      for (let n = 0; n < 10; n += 1) {
        await Promise.all([store, other].map(({ audit }) => audit.append('acme', [note('same')])));
      }
      expect(await whole(store)).toHaveLength(20);
    });

    it('reads pages', async () => {
      await store.audit.append('acme', notes(10));
      const read = async (from: number, limit: number) =>
        (await store.audit.read('acme', { from, limit })).map(({ seq }) => seq);
      expect(await read(1, 4)).toEqual([1, 2, 3, 4]);
      expect(await read(5, 4)).toEqual([5, 6, 7, 8]);
      expect(await read(9, 4)).toEqual([9, 10]);
      expect(await read(11, 4)).toEqual([]);
      const pages = [...(await store.audit.read('acme', { from: 1, limit: 4 })), ...(await whole(store, 'acme', 5))];
      expect(verifyChain(pages, sha256)).toMatchObject({ ok: true, entries: 10 });
    });

    it('keeps tenants apart', async () => {
      await Promise.all([
        store.audit.append('acme', notes(3, 'mine')),
        store.audit.append('globex', notes(2, 'yours')),
        store.audit.append('acme:x', notes(1, 'hers')),
      ]);
      expect((await whole(store)).map(({ subject }) => subject)).toEqual(['mine0', 'mine1', 'mine2']);
      const yours = await whole(store, 'globex');
      expect(yours.map(({ seq, subject, tenant }) => [seq, subject, tenant])).toEqual([
        [1, 'yours0', 'globex'],
        [2, 'yours1', 'globex'],
      ]);
      expect(await whole(store, 'acme:x')).toHaveLength(1);
      expect(await whole(store, 'initech')).toEqual([]);
    });
  });

  describe(`${name} audit retention`, () => {
    afterEach(() => harness.cleanup());

    it('trims old entries from the front; the rest verifies and says where it begins', async () => {
      const clock = createFakeClock();
      const store = await harness.open({ clock: clock.now, limits: { auditKeepMs: 3_600_000 } });
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      const old = Array.from({ length: 450 }, (_, n) => note(`old${n}`, clock.now()));
      await store.audit.append('acme', old);
      await store.audit.append('globex', [note('g', clock.now())]);
      clock.advance(1_800_000);
      await store.audit.append('acme', [note('new1', clock.now()), note('new2', clock.now())]);
      expect(await whole(store)).toHaveLength(452);
      clock.advance(1_800_001);
      await vi.waitFor(async () => expect(await whole(store)).toHaveLength(2), { timeout: PATIENCE_MS, interval: 50 });
      const left = await whole(store);
      expect(left.map(({ seq }) => seq)).toEqual([451, 452]);
      expect(verifyChain(left, sha256)).toMatchObject({ ok: true, entries: 2, chain: { first: 451 } });
      expect((await store.audit.read('acme', { from: 452, limit: 10 })).map(({ seq }) => seq)).toEqual([452]);

      // Nothing is left, and the chain goes on.
      await vi.waitFor(async () => expect(await whole(store, 'globex')).toEqual([]), { timeout: PATIENCE_MS });
      expect((await store.audit.head('globex')).seq).toBe(1);
      clock.advance(3_600_001);
      await vi.waitFor(async () => expect(await whole(store)).toEqual([]), { timeout: PATIENCE_MS, interval: 50 });
      const { hash: prev } = await store.audit.head('acme');
      await store.audit.append('acme', [note('later', clock.now())]);
      expect(await whole(store)).toMatchObject([{ seq: 453, subject: 'later', prev }]);
      await consumer.close(1_000);
    });

    it('leaves no gap where clocks disagree', async () => {
      const clock = createFakeClock();
      const store = await harness.open({ clock: clock.now, limits: { auditKeepMs: 3_600_000 } });
      const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
      const times = [0, 0, 3_000_000, 0, 3_000_000];
      await store.audit.append(
        'acme',
        times.map((later, n) => note(`e${n}`, clock.now() + later)),
      );
      clock.advance(3_600_001);
      await vi.waitFor(async () => expect(await whole(store)).toHaveLength(3), { timeout: PATIENCE_MS, interval: 50 });
      expect(verifyChain(await whole(store), sha256)).toMatchObject({ ok: true, entries: 3, chain: { first: 3 } });
      await consumer.close(1_000);
    });

    it('has what the store does by itself: heads that used their attempts or waits, reviews nobody decided', async () => {
      const clock = createFakeClock();
      const event = createEventMaker(clock.now);
      const limits = { maxAttempts: 1, leaseMs: 1_000, maxBackoffMs: 5_000 };
      const store = await harness.open({ clock: clock.now, limits });
      const other = await harness.reopen(store);
      const run = async (delayMs: number) => {
        const one = await acceptOne(store, event());
        const { lease } = await takeHead(store, conversationOf(one));
        const outcome = { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs } as const;
        await store.lease.finish(lease, outcome, false);
        return one.id;
      };
      const tried = await run(10);
      const dead = await acceptOne(store, event());
      await takeHead(store, conversationOf(dead));
      clock.advance(1_001);
      expect((await store.lease.take(conversationOf(dead))).kind).toBe('empty');
      const held = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(held));
      const until = { heldAt: clock.now(), expiresAt: clock.now() + 1_000 };
      const review = { ...until, text: 'hi', digest: 'd', version: 1, generation: 1, requester: held.author };
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
      const handParked = await acceptOne(store, event());
      await store.events.park('acme', handParked.id);
      clock.advance(1_001);

      const consumers = [store, other].map(({ jobs }) => jobs.consume({ concurrency: 1, run: async () => {} }));
      await vi.waitFor(async () => expect(await whole(store)).toHaveLength(3), { timeout: PATIENCE_MS, interval: 50 });
      const entries = await whole(store);
      expect(verifyChain(entries, sha256).ok).toBe(true);
      expect(entries.map(({ actor, action, subject, data }) => [actor, action, subject, data])).toEqual([
        ['system', 'event.parked', tried, { code: 'ERR_ATTEMPTS_EXHAUSTED' }],
        ['system', 'event.parked', dead.id, { code: 'ERR_ATTEMPTS_EXHAUSTED' }],
        ['system', 'review.expired', held.id, { code: 'ERR_REVIEW_EXPIRED' }],
      ]);
      await Promise.all(consumers.map((consumer) => consumer.close(1_000)));
    });
  });
}
