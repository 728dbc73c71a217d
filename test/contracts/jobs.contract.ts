import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventRecord, InboundEvent } from '../../src/core/event.ts';
import type { Consumer } from '../../src/queue/jobs.ts';
import type { ConversationRef, Outcome } from '../../src/queue/lease.ts';
import type { Store } from '../../src/queue/store.ts';
import { PATIENCE_MS, sleep } from '../support/clock.ts';
import { altered, conversationNamed, conversationOf, createEventMaker, runEnding } from '../support/events.ts';
import { within } from '../support/until.ts';
import { acceptOne, finishHead, parkOne, recordOf, type StoreHarness, takeHead } from './harness.ts';

const done: Outcome = { kind: 'done', run: runEnding('replied') };
const event = createEventMaker(Date.now);

/** Waits for what other processes and timers bring about; generous, because nothing here is about speed. */
const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 25 });

/** Runs heads of the conversation as a worker does, at most `heads` of them. */
async function work(
  store: Store,
  conversation: ConversationRef,
  run: (record: EventRecord) => Promise<Outcome> | Outcome,
  heads = 16,
): Promise<void> {
  let taken = await store.lease.take(conversation);
  for (let left = heads - 1; taken.kind === 'head'; left -= 1) {
    taken = await store.lease.finish(taken.lease, await run(taken.record), left > 0);
  }
}

/** What every store promises about waking workers. It runs in real time, with limits small enough to wait for. */
export function jobsContract(name: string, harness: StoreHarness): void {
  let store: Store;
  const consumers: Consumer[] = [];
  const ran: string[] = [];
  const setUp = async () => {
    ran.length = 0;
    store = await harness.open({ limits: { leaseMs: 1_000, rewakeMs: 300 } });
  };
  const tearDown = async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close(1_000)));
    await harness.cleanup();
  };
  const consume = (run: (conversation: ConversationRef) => Promise<void>, concurrency = 4, at: Store = store) => {
    const consumer = at.jobs.consume({ concurrency, run });
    consumers.push(consumer);
    return consumer;
  };
  /** Consumes and ends everything well, noting what ran in which order. */
  const consumeAll = (concurrency = 4, at: Store = store, heads = 16) =>
    consume((ref) => work(at, ref, note, heads), concurrency, at);
  const note = (record: EventRecord): Outcome => {
    ran.push(record.event.id);
    return done;
  };
  const acceptMany = async (count: number, overrides: Partial<InboundEvent> = {}) => {
    const events = Array.from({ length: count }, () => event(overrides));
    await store.inbox.accept(events);
    return events.map(({ id }) => id);
  };

  describe(`${name} jobs`, () => {
    beforeEach(() => setUp());
    afterEach(() => tearDown());

    it('has nothing untaken while it takes what comes, and while it is full', async () => {
      const runs: (() => void)[] = [];
      const consumer = consume((ref) => work(store, ref, note).then(() => new Promise((end) => runs.push(end))), 2);
      await acceptMany(1, { conversation: conversationNamed('a') });
      await eventually(() => expect(runs).toHaveLength(1));
      await eventually(async () => expect(await consumer.untaken()).toBe(0));
      await acceptMany(1, { conversation: conversationNamed('b') });
      await eventually(() => expect(runs).toHaveLength(2));
      await acceptMany(1, { conversation: conversationNamed('c') });
      expect(await consumer.untaken()).toBe(0);
      for (const end of runs) end();
      await eventually(() => expect(runs).toHaveLength(3));
      for (const end of runs) end();
    });

    it('runs everything once and in order, whether accepted before or after workers came', async () => {
      const lines = ['a', 'b', 'c', 'd', 'e'].map((line) => conversationNamed(line));
      const ids = new Map(lines.map((line) => [line.key, [] as string[]]));
      const acceptRound = async () => {
        for (const conversation of lines) ids.get(conversation.key)?.push(...(await acceptMany(6, { conversation })));
      };
      await acceptRound();
      consumeAll();
      await acceptRound();
      await eventually(() => expect(ran).toHaveLength(60));
      for (const inLine of ids.values()) expect(ran.filter((id) => inLine.includes(id))).toEqual(inLine);
      await sleep(500);
      expect(ran).toHaveLength(60);
    });

    it('goes on with a conversation whose worker wanted no more', async () => {
      const ids = await acceptMany(8, { conversation: conversationNamed('long') });
      consumeAll(4, store, 1);
      await eventually(() => expect(ran).toEqual(ids));
    });

    it('runs no conversation twice at a time and no more conversations than it was told', async () => {
      const active = new Set<string>();
      let most = 0;
      let begun = 0;
      for (let i = 0; i < 24; i += 1) await acceptOne(store, event({ tenant: `tenant-${i % 4}` }));
      consume(async (ref) => {
        expect(active.has(ref.key)).toBe(false);
        active.add(ref.key);
        most = Math.max(most, active.size);
        // Of different length, so that places come free one by one.
        begun += 1;
        await sleep(10 + 25 * (begun % 3));
        await work(store, ref, note);
        active.delete(ref.key);
      }, 3);
      await eventually(() => expect(ran).toHaveLength(24));
      expect(most).toBe(3);
    });

    it('wakes a head again when its back-off is over', async () => {
      const first = await acceptOne(store, event());
      let attempts = 0;
      consume((ref) =>
        work(store, ref, (record) => {
          attempts = record.attempts;
          if (attempts === 2) return note(record);
          return { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs: 300 };
        }),
      );
      await eventually(() => expect(ran).toEqual([first.id]));
      expect(attempts).toBe(2);
    });

    it('gives what a dead worker held to another', async () => {
      const first = await acceptOne(store, event());
      let calls = 0;
      consume(async (ref) => {
        calls += 1;
        if (calls === 1) await takeHead(store, ref);
        else await work(store, ref, note);
      });
      await eventually(() => expect(ran).toEqual([first.id]));
      await eventually(async () =>
        expect(await recordOf(store, first)).toMatchObject({
          state: 'done',
          attempts: 2,
          runs: [{ outcome: 'lost' }, {}],
        }),
      );
    });

    it('gives a wake again that was handed over and came to nothing', async () => {
      const first = await acceptOne(store, event());
      let calls = 0;
      consume(async (ref) => {
        calls += 1;
        if (calls === 1) throw new Error('the worker failed before it took the conversation');
        await work(store, ref, note);
      });
      await eventually(() => expect(ran).toEqual([first.id]));
    });

    // Where a wake is part of the conversation's row there is none to lose.
    it.each(harness.loseWakes === undefined ? [] : [harness.loseWakes])(
      'only delays what waits when every wake is lost',
      async (loseWakes) => {
        const ids = await acceptMany(5);
        await loseWakes(store);
        consumeAll();
        await eventually(() => expect([...ran].sort()).toEqual([...ids].sort()));
      },
    );

    it('leaves one wake for a conversation that is held, however often it was asked for', async () => {
      const first = await acceptOne(store, event());
      await takeHead(store, conversationOf(first));
      for (let i = 0; i < 8; i += 1) expect((await store.lease.take(conversationOf(first))).kind).toBe('held');
      let calls = 0;
      consume(async (ref) => {
        calls += 1;
        await work(store, ref, note);
      });
      await eventually(() => expect(ran).toEqual([first.id]));
      await sleep(300);
      // The wake of accepting it, the wake due when the lease ran out, and at most one that crossed with it.
      expect(calls).toBeLessThanOrEqual(3);
    });

    it('comes back when a lease runs out that it met on its way, not later', async () => {
      const patient = await harness.open({ limits: { leaseMs: 1_000, rewakeMs: 3_600_000 } });
      const other = await harness.reopen(patient);
      const first = await acceptOne(patient, event());
      let calls = 0;
      const run = async (ref: ConversationRef) => {
        calls += 1;
        // A worker that dies at once takes it first, so that this wake meets a lease.
        if (calls === 1) await takeHead(other, ref);
        await work(patient, ref, note);
      };
      consume(run, 1, patient);
      await eventually(() => expect(ran).toEqual([first.id]));
    });

    it('wakes an idle conversation for a redriven event', async () => {
      const first = await acceptOne(store, event());
      await store.events.park('acme', first.id);
      consumeAll();
      await store.events.redrive('acme', first.id);
      await eventually(() => expect(ran).toEqual([first.id]));
    });

    it('wakes the follower when the running head is parked', async () => {
      const first = await acceptOne(store, event());
      const next = await acceptOne(store, event({ conversation: first.conversation }));
      const { lease } = await takeHead(store, conversationOf(first));
      await store.journal.record(lease, 'slow', { kind: 'intent', value: null }, 600_000);
      await store.events.park('acme', first.id);
      consumeAll();
      await eventually(() => expect(ran).toEqual([next.id]));
    });

    it('queues what a closing worker released at once', async () => {
      const first = await acceptOne(store, event());
      const { lease } = await takeHead(store, conversationOf(first));
      await store.lease.finish(lease, { kind: 'released', run: runEnding('released') }, false);
      consumeAll();
      await eventually(() => expect(ran).toEqual([first.id]));
    });

    it('lets two processes share the work, each event once', async () => {
      const other = await harness.reopen(store);
      const ids = await acceptMany(20);
      let free = () => {};
      const bothWork = new Promise<void>((resolve) => {
        free = resolve;
      });
      const workers = new Set<Store>();
      for (const at of [store, other]) {
        consume(
          async (ref) => {
            // Neither goes on until the other has work too, so one alone could never finish.
            workers.add(at);
            if (workers.size === 2) free();
            await bothWork;
            await work(at, ref, note);
          },
          2,
          at,
        );
      }
      await eventually(() => expect(ran.length).toBeGreaterThanOrEqual(20));
      await sleep(500);
      expect([...ran].sort()).toEqual([...ids].sort());
    });

    it('runs a quiet tenant long before the backlog of a busy one is done', async () => {
      for (let i = 0; i < 20; i += 1) await acceptMany(15);
      const quiet = event({ tenant: 'quiet' });
      let asked = false;
      consume(async (ref) => {
        await work(store, ref, async (record) => {
          if (ran.length >= 20 && !asked) {
            asked = true;
            await acceptOne(store, quiet);
          }
          await sleep(2);
          return note(record);
        });
      }, 2);
      await eventually(() => expect(ran).toHaveLength(301));
      expect(ran.indexOf(quiet.id)).toBeLessThan(100);
    });
  });

  describe(`${name} jobs closing`, () => {
    beforeEach(() => setUp());
    afterEach(() => tearDown());

    it('takes nothing more once it closes', async () => {
      const consumer = consumeAll();
      await acceptOne(store, event());
      await eventually(() => expect(ran).toHaveLength(1));
      await consumer.close(5_000);
      const late = await acceptOne(store, event());
      await sleep(700);
      expect(ran).toHaveLength(1);
      consumeAll();
      await eventually(() => expect(ran).toContain(late.id));
    });

    it('waits for what runs', async () => {
      let finished = false;
      let started = () => {};
      const running = new Promise<void>((resolve) => {
        started = resolve;
      });
      const consumer = consume((ref) =>
        work(store, ref, async () => {
          started();
          await sleep(300);
          finished = true;
          return done;
        }),
      );
      const first = await acceptOne(store, event());
      await running;
      await consumer.close(10_000);
      expect(finished).toBe(true);
      expect((await recordOf(store, first)).state).toBe('done');
    });

    it('does not wait longer than its grace', async () => {
      let started = () => {};
      const running = new Promise<void>((resolve) => {
        started = resolve;
      });
      let letGo = () => {};
      const stuck = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      let hasEnded = false;
      const consumer = consume(async () => {
        started();
        await stuck;
        hasEnded = true;
      });
      await acceptOne(store, event());
      await running;
      const closed = consumer.close(50);
      await within('the consumer to give up what runs', 10_000, closed);
      // It was not waited for: nothing has let it go yet.
      expect(hasEnded).toBe(false);
      letGo();
      await eventually(() => expect(hasEnded).toBe(true));
    });
  });

  describe(`${name} jobs asked`, () => {
    beforeEach(() => setUp());
    afterEach(() => tearDown());

    it('gives the record of an event that has ended', async () => {
      const first = await acceptOne(store, event());
      await finishHead(store, conversationOf(first));
      expect(await store.jobs.awaitResult('acme', first.id, 5_000)).toEqual(await recordOf(store, first));
    });

    it('waits for the end, whichever process brings it about', async () => {
      const other = await harness.reopen(store);
      for (const ender of [store, other]) {
        const first = await acceptOne(store, event());
        // Longer than a test may take: waiting must end with the event, not with the time.
        const result = store.jobs.awaitResult('acme', first.id, 600_000);
        await sleep(100);
        await finishHead(ender, conversationOf(first));
        expect(await result).toMatchObject({ event: { id: first.id }, state: 'done' });
      }
    });

    it('takes parked for an end', async () => {
      const first = await acceptOne(store, event());
      const result = store.jobs.awaitResult('acme', first.id, 15_000);
      await store.events.park('acme', first.id);
      expect((await result)?.state).toBe('parked');
    });

    it('takes a conflict for an end at once', async () => {
      const first = await acceptOne(store, event());
      const [conflict] = await store.inbox.accept([altered(first)]);
      const result = await store.jobs.awaitResult('acme', (conflict as { id: string }).id, 1_000);
      expect(result?.state).toBe('conflict');
    });

    it('gives up after the time it was given', async () => {
      const first = await acceptOne(store, event());
      expect(await store.jobs.awaitResult('acme', first.id, 100)).toBeNull();
    });

    it('knows neither other ids nor other tenants', async () => {
      const first = await acceptOne(store, event());
      await finishHead(store, conversationOf(first));
      expect(await store.jobs.awaitResult('globex', first.id, 100)).toBeNull();
      expect(await store.jobs.awaitResult('acme', 'ev_none', 100)).toBeNull();
    });

    it('counts events by state over all tenants, and the age of the oldest that was never tried', async () => {
      expect(await store.jobs.stats()).toMatchObject({ oldestMs: 0 });
      const old = await acceptOne(store, event({ receivedAt: Date.now() - 60_000 }));
      const running = await acceptOne(store, event({ tenant: 'globex' }));
      await takeHead(store, conversationOf(running));
      const ended = await acceptOne(store, event());
      await finishHead(store, conversationOf(ended));
      const { states, oldestMs } = await store.jobs.stats();
      expect(states).toMatchObject({ queued: 1, running: 1, done: 1 });
      expect(states.parked ?? 0).toBe(0);
      expect(oldestMs).toBeGreaterThanOrEqual(60_000);
      expect(oldestMs).toBeLessThan(120_000);
      await store.events.park('acme', old.id);
      expect(await store.jobs.stats()).toMatchObject({ states: { running: 1, done: 1, parked: 1 }, oldestMs: 0 });
    });

    it('counts what was given back as never tried only when no earlier attempt counted', async () => {
      const receivedAt = Date.now() - 60_000;
      const released: Outcome = { kind: 'released', run: runEnding('released') };
      const tried = await acceptOne(store, event({ receivedAt }));
      const first = await takeHead(store, conversationOf(tried));
      const retry = { kind: 'retry', run: runEnding('retry'), code: 'ERR_AGENT_FAILED', delayMs: 0 } as const;
      await store.lease.finish(first.lease, retry, false);
      await store.lease.finish((await takeHead(store, conversationOf(tried))).lease, released, false);
      expect(await recordOf(store, tried)).toMatchObject({ state: 'queued', attempts: 1 });
      expect(await store.jobs.stats()).toMatchObject({ states: { queued: 1 }, oldestMs: 0 });

      const untried = await acceptOne(store, event({ receivedAt }));
      await store.lease.finish((await takeHead(store, conversationOf(untried))).lease, released, false);
      expect(await recordOf(store, untried)).toMatchObject({ state: 'queued', attempts: 0 });
      expect((await store.jobs.stats()).oldestMs).toBeGreaterThanOrEqual(60_000);
    });

    it('counts what is due until a worker has taken it, and says for how long it has been due', async () => {
      await acceptMany(2, { conversation: conversationNamed('a') });
      await acceptMany(1, { conversation: conversationNamed('b'), tenant: 'globex' });
      expect(await store.jobs.stats()).toMatchObject({ due: 2, auditPending: 0 });
      const handed: ConversationRef[] = [];
      const consumer = consume(async (ref) => void handed.push(ref));
      await eventually(() => expect(handed.length).toBeGreaterThanOrEqual(2));
      await consumer.close(1_000);
      // Nobody has taken them, so that they come due again.
      await eventually(async () => expect((await store.jobs.stats()).dueMs).toBeGreaterThan(0));
      expect(await store.jobs.stats()).toMatchObject({ due: 2 });
      consumeAll();
      await eventually(() => expect(ran).toHaveLength(3));
      await eventually(async () => expect(await store.jobs.stats()).toMatchObject({ due: 0, dueMs: 0 }));
    });

    it('counts parked events by the reason, over all tenants, and no more than it is told to read', async () => {
      expect(await store.jobs.parked()).toEqual({ byCode: new Map(), uncounted: 0 });
      const first = await parkOne(store, event());
      await parkOne(store, event({ tenant: 'globex' }));
      const byHand = await acceptOne(store, event());
      await store.events.park('acme', byHand.id);
      const byCode = async () => Object.fromEntries((await store.jobs.parked()).byCode);
      expect(await byCode()).toEqual({ ERR_AGENT_FAILED: 2, ERR_PARKED_BY_OPERATOR: 1 });
      for (const atMost of [1, 2, 3]) {
        const { byCode: read, uncounted } = await store.jobs.parked(atMost);
        expect([[...read.values()].reduce((sum, count) => sum + count, 0), uncounted]).toEqual([atMost, 3 - atMost]);
      }
      await store.events.redrive('acme', first.id);
      expect(await byCode()).toEqual({ ERR_AGENT_FAILED: 1, ERR_PARKED_BY_OPERATOR: 1 });
    });
  });
}
