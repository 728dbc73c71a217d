import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import Database from 'libsql';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { InboundEvent } from '../../src/core/event.ts';
import { acceptAll } from '../contracts/harness.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { type EmbeddedProcess, openAt, startEmbedded, withDataFile } from '../support/embedded-process.ts';
import { createEventMaker, deliveredAgain, runEnding } from '../support/events.ts';
import { until } from '../support/until.ts';

const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 25 });
const acknowledged = (process: EmbeddedProcess): InboundEvent[] =>
  process.said('accepted').map((json) => JSON.parse(json) as InboundEvent);

test('kill -9 amid accepting loses nothing that was acknowledged', () =>
  withDataFile(async (path) => {
    const all: InboundEvent[] = [];
    for (const enough of [20, 150, 400]) {
      const child = startEmbedded('accept', path);
      await eventually(() => expect(child.said('accepted').length).toBeGreaterThan(enough));
      await child.kill();
      all.push(...acknowledged(child));

      const store = await openAt(path);
      await store.check();
      for (const event of all) {
        expect(await store.events.get(event.tenant, event.id)).toMatchObject({ state: 'queued', deliveries: 1 });
      }
      await store.close();
    }
    const store = await openAt(path);
    const answers = await acceptAll(
      store,
      all.map((event) => deliveredAgain(event)),
    );
    expect(new Set(answers)).toEqual(new Set(['duplicate']));
    // What was written but not acknowledged may be there too; never less.
    expect((await store.jobs.stats()).states.queued).toBeGreaterThanOrEqual(all.length);
    await store.close();
  }));

test('another process runs what this one accepts, and both share it without running anything twice', () =>
  withDataFile(async (path) => {
    const store = await openAt(path);
    const event = createEventMaker(Date.now);
    const child = startEmbedded('work', path);
    await eventually(() => expect(child.facts).toContain('open'));

    const theirs = Array.from({ length: 20 }, () => event());
    await store.inbox.accept(theirs);
    await eventually(() => expect(child.said('ran')).toHaveLength(20));

    const ran: string[] = [];
    const consumer = store.jobs.consume({
      concurrency: 4,
      run: async (conversation) => {
        const taken = await store.lease.take(conversation);
        if (taken.kind !== 'head') return;
        ran.push(taken.record.event.id);
        await store.lease.finish(taken.lease, { kind: 'done', run: runEnding('replied') }, false);
      },
    });
    const shared = Array.from({ length: 200 }, () => event());
    for (const each of shared) await store.inbox.accept([each]);
    await eventually(async () => expect((await store.jobs.stats()).states.done).toBe(220));
    await consumer.close(5_000);
    await eventually(() => expect(ran.length + child.said('ran').length).toBe(220));
    expect([...ran, ...child.said('ran')].sort()).toEqual([...theirs, ...shared].map(({ id }) => id).sort());
    await child.kill();
    await store.close();
  }));

test('two processes that make the file at the same time both open it', () =>
  withDataFile(async (path) => {
    const children = Array.from({ length: 3 }, () => startEmbedded('work', path));
    const stores = await Promise.all(Array.from({ length: 4 }, () => openAt(path)));
    await eventually(() => {
      for (const child of children) expect(child.facts).toContain('open');
    });
    for (const store of stores) await store.check();
    await Promise.all([...stores.map((store) => store.close()), ...children.map((child) => child.kill())]);
  }));

describe('eight processes that open one file', () => {
  /** What became of each of the eight; those that open the file begin to work on what is in it. */
  async function openEight(path: string, onFirst: () => void = () => {}): Promise<readonly string[]> {
    const children = Array.from({ length: 8 }, () => startEmbedded('work', path));
    const end = (child: EmbeddedProcess) => child.facts.find((fact) => fact === 'open' || fact.startsWith('refused'));
    try {
      await until('one of them is opening', () => children.some(({ facts }) => facts.includes('opening')));
      onFirst();
      await until('all have opened it or given up', () => children.every((child) => end(child) !== undefined));
      return children.map((child) => end(child) ?? '');
    } finally {
      await Promise.all(children.map((child) => child.kill()));
    }
  }
  const opened = Array(8).fill('open');

  test('all do while a ninth holds it, because that changes nothing in it', { timeout: 120_000 }, () =>
    withDataFile(async (path) => {
      await (await openAt(path)).close();
      const holder = new Database(path);
      holder.exec('BEGIN IMMEDIATE');
      expect(await openEight(path)).toEqual(opened);
      holder.exec('COMMIT');
      holder.close();
    }),
  );

  test('all do while a ninth holds for three seconds what they have to make', { timeout: 120_000 }, () =>
    withDataFile(async (path) => {
      await mkdir(dirname(path), { recursive: true });
      const holder = new Database(path);
      holder.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
      expect(await openEight(path, () => setTimeout(() => holder.exec('COMMIT'), 3_000))).toEqual(opened);
      holder.close();
    }),
  );

  test('all do while a ninth accepts without a pause', { timeout: 120_000 }, () =>
    withDataFile(async (path) => {
      // Nine processes may keep the file from one of them for longer than a write waits; its sender would send again.
      const writer = startEmbedded('insist', path);
      onTestFinished(() => writer.kill());
      await until('the ninth accepts', () => writer.said('accepted').length > 20);
      expect(await openEight(path)).toEqual(opened);
      const before = writer.said('accepted').length;
      await until('the ninth still accepts', () => writer.said('accepted').length > before);
    }),
  );
});

test('a disk that is full refuses, keeps what it acknowledged, and accepts again when there is room', () =>
  withDataFile(async (path) => {
    // A file may grow to 2 MiB: the kernel refuses the write beyond it as a full disk would.
    const child = startEmbedded('accept', path, 'ulimit -f 2048');
    await child.ended;
    expect(child.said('refused')).toEqual(['ERR_STORE_UNAVAILABLE']);
    const all = acknowledged(child);
    expect(all.length).toBeGreaterThan(10);

    const store = await openAt(path);
    await store.check();
    for (const event of all) expect(await store.events.get(event.tenant, event.id)).not.toBeNull();
    expect(await acceptAll(store, [createEventMaker(Date.now)()])).toEqual(['accepted']);
    await store.close();
  }));
