import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import Database from 'libsql';
import { describe, expect, it } from 'vitest';
import { acceptAll, acceptOne, recordOf, takeHead } from '../contracts/harness.ts';
import { createFakeClock, sleep } from '../support/clock.ts';
import { openAt, withDataFile } from '../support/embedded-process.ts';
import { conversationOf, createEventMaker, deliveredAgain, runEnding } from '../support/events.ts';

const event = createEventMaker(Date.now);
const unavailable = { code: 'ERR_STORE_UNAVAILABLE' };
const mismatch = { code: 'ERR_STORE_MISMATCH' };

/** Makes the file and closes it. */
async function makeFile(path: string): Promise<void> {
  await (await openAt(path)).close();
}

/** Changes the file behind the store's back. */
function meddle(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

/** A new file without tables, held by another connection until that commits. */
async function holdEmpty(path: string): Promise<Database.Database> {
  await mkdir(dirname(path), { recursive: true });
  const other = new Database(path);
  other.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
  return other;
}

describe('a data file held by another process', () => {
  it('is waited for without standing still', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const other = new Database(path);
      other.exec('BEGIN IMMEDIATE');
      // The timer that lets the file go can only fire when waiting for it does not block this process.
      setTimeout(() => other.exec('COMMIT'), 200);
      expect(await acceptAll(store, [event()])).toEqual(['accepted']);
      await store.close();
      other.close();
    }));

  it('refuses after a second, marks nothing, and accepts once it is free', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const other = new Database(path);
      const first = event();
      other.exec('BEGIN IMMEDIATE');
      const together = await Promise.allSettled([store.inbox.accept([first]), store.inbox.accept([event()])]);
      expect(together).toMatchObject([
        { status: 'rejected', reason: unavailable },
        { status: 'rejected', reason: unavailable },
      ]);
      expect(await store.events.get(first.tenant, first.id)).toBeNull();
      await expect(store.check()).rejects.toMatchObject(unavailable);
      other.exec('COMMIT');
      expect(await acceptAll(store, [deliveredAgain(first)])).toEqual(['accepted']);
      await store.close();
      other.close();
    }));

  it('keeps workers waiting and then lets them go on', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const other = new Database(path);
      await acceptOne(store, event());
      other.exec('BEGIN IMMEDIATE');
      let calls = 0;
      const consumer = store.jobs.consume({
        concurrency: 1,
        run: async () => {
          calls += 1;
        },
      });
      await sleep(1_300);
      expect(calls).toBe(0);
      other.exec('COMMIT');
      await expect.poll(() => calls, { timeout: 10_000 }).toBe(1);
      await consumer.close(1_000);
      await store.close();
      other.close();
    }));

  it('can be opened while it is held, because that changes nothing in it', () =>
    withDataFile(async (path) => {
      await makeFile(path);
      const other = new Database(path);
      other.exec('BEGIN IMMEDIATE');
      const store = await openAt(path);
      expect((await store.events.list('acme', { limit: 1 })).events).toEqual([]);
      other.exec('COMMIT');
      await store.close();
      other.close();
    }));

  it('is waited for when it has to be made, without standing still', () =>
    withDataFile(async (path) => {
      const other = await holdEmpty(path);
      let ticks = 0;
      const ticking = setInterval(() => {
        ticks += 1;
      }, 10);
      setTimeout(() => other.exec('COMMIT'), 3_000);
      const store = await openAt(path);
      clearInterval(ticking);
      // Of 300: the rest is other processes' time, and 5 ms of each try.
      expect(ticks).toBeGreaterThan(100);
      expect(await acceptAll(store, [event()])).toEqual(['accepted']);
      await store.close();
      other.close();
    }));

  it('is given up when it is held for too long: the error names the file and what to do', () =>
    withDataFile(async (path) => {
      const other = await holdEmpty(path);
      const message = 'store.db has been locked by another process for 0.3 s; end that process or wait for it';
      await expect(openAt(path, { openWithinMs: 300 })).rejects.toMatchObject({ ...unavailable, message });
      other.exec('COMMIT');
      await (await openAt(path, { openWithinMs: 300 })).close();
      other.close();
    }));
});

describe('a data file of another making', () => {
  it('is refused when it was made with another id key, at once and in the check', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      await expect(openAt(path, { idCheck: 'another' })).rejects.toMatchObject(mismatch);
      await expect(store.check()).resolves.toBeUndefined();
      meddle(path, `UPDATE meta SET value = 'another' WHERE name = 'id_check'`);
      await expect(store.check()).rejects.toMatchObject(mismatch);
      await store.close();
    }));

  it('of an early release is lifted, and what it holds goes on', () =>
    withDataFile(async (path) => {
      const before = await openAt(path);
      const [queued, parked] = [event(), event()];
      await before.inbox.accept([queued, parked]);
      await before.events.park('acme', parked.id);
      await before.close();
      meddle(
        path,
        `DROP TABLE rates; DROP TABLE lockouts; DROP TABLE minute_counts; DROP TABLE channel_rates;
         DROP TABLE audit; DROP TABLE audit_heads; DROP INDEX events_in_review; ALTER TABLE events DROP COLUMN review;
         ALTER TABLE events DROP COLUMN review_until; PRAGMA user_version = 2`,
      );
      const store = await openAt(path);
      expect(await store.events.get('acme', parked.id)).toMatchObject({ state: 'parked' });
      expect((await store.events.redrive('acme', parked.id)).kind).toBe('ok');
      const { lease } = await takeHead(store, conversationOf(queued));
      const at = { heldAt: 1, expiresAt: Date.now() + 60_000 };
      const review = { ...at, text: 'hi', digest: 'seen', version: 1, generation: 1, requester: queued.author };
      await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
      expect(await store.events.get('acme', queued.id)).toMatchObject({ state: 'review', review });
      await store.close();
    }));

  it('is refused when a newer release wrote it, and left as it was', () =>
    withDataFile(async (path) => {
      await makeFile(path);
      meddle(path, 'PRAGMA user_version = 999');
      await expect(openAt(path)).rejects.toMatchObject(mismatch);
      const database = new Database(path);
      expect(database.prepare('PRAGMA user_version').all()).toEqual([{ user_version: 999 }]);
      database.close();
    }));

  it('is refused by a running process once a newer release has lifted it', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      meddle(path, 'PRAGMA user_version = 999');
      await expect(store.check()).rejects.toMatchObject(mismatch);
      await store.close();
    }));

  it('is refused when its tables have no version', () =>
    withDataFile(async (path) => {
      await makeFile(path);
      meddle(path, 'PRAGMA user_version = 0');
      await expect(openAt(path)).rejects.toMatchObject(mismatch);
    }));

  it("is refused and not touched when it is another program's database", () =>
    withDataFile(async (path) => {
      await mkdir(dirname(path), { recursive: true });
      meddle(path, 'CREATE TABLE theirs (a); PRAGMA user_version = 1');
      const before = await readFile(path);
      await expect(openAt(path)).rejects.toMatchObject(mismatch);
      expect(await readFile(path)).toEqual(before);
      expect(existsSync(`${path}-wal`)).toBe(false);
    }));

  it('is refused and not touched when it is no database', () =>
    withDataFile(async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, 'a shopping list\n'.repeat(500));
      await expect(openAt(path)).rejects.toMatchObject(mismatch);
      expect(await readFile(path, 'utf8')).toMatch(/^a shopping list/);
    }));

  it('keeps what it holds when it is opened again', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const first = await acceptOne(store, event());
      await store.close();
      const again = await openAt(path);
      expect((await recordOf(again, first)).event).toEqual(first);
      expect(await acceptAll(again, [deliveredAgain(first)])).toEqual(['duplicate']);
      await again.close();
    }));
});

describe('the data file itself', () => {
  it("is its owner's alone, with its log, its index and its folder", () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      await acceptOne(store, event());
      const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);
      expect(await modeOf(dirname(path))).toBe('700');
      for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(await modeOf(file)).toBe('600');
      await store.close();
      await chmod(path, 0o644);
      await (await openAt(path)).close();
      expect(await modeOf(path)).toBe('600');
    }));

  it('is complete without its log after an orderly end', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const first = await acceptOne(store, event());
      await store.close();
      await writeFile(`${path}.copy`, await readFile(path));
      const copy = await openAt(`${path}.copy`);
      expect((await recordOf(copy, first)).event).toEqual(first);
      await copy.close();
    }));

  it('cannot be made where there is no folder to make it in', () =>
    withDataFile(async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, '');
      await expect(openAt(`${path}/store.db`)).rejects.toMatchObject(unavailable);
      await expect(openAt(dirname(path))).rejects.toMatchObject(unavailable);
    }));

  it('fails the check when it is damaged', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      for (let i = 0; i < 50; i += 1) await acceptOne(store, event());
      await store.close();
      const file = await open(path, 'r+');
      const { size } = await file.stat();
      await file.write(Buffer.alloc(size - 8_192, 0xa5), 0, size - 8_192, 8_192);
      await file.close();
      const damaged = await openAt(path).catch((error: unknown) => error);
      if (damaged instanceof Error) expect(damaged).toMatchObject(unavailable);
      else {
        const { check, close } = damaged as Awaited<ReturnType<typeof openAt>>;
        await expect(check()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_STORE_UN(SAFE|AVAILABLE)$/) });
        await close();
      }
    }));

  it('lets one failing event of a tick fail alone', () =>
    withDataFile(async (path) => {
      const store = await openAt(path);
      const first = event();
      const sameId = event({ id: first.id });
      const [one, two, three] = await Promise.allSettled([
        store.inbox.accept([first]),
        store.inbox.accept([event(), sameId]),
        store.inbox.accept([event()]),
      ]);
      expect(one).toMatchObject({ status: 'fulfilled' });
      expect(two).toMatchObject({ status: 'rejected' });
      expect(three).toMatchObject({ status: 'fulfilled' });
      expect((await store.jobs.stats()).states).toEqual({ queued: 2 });
      expect(await acceptAll(store, [deliveredAgain(sameId)])).toEqual(['accepted']);
      await store.close();
    }));
});

describe('a clock that is set back', () => {
  it('delays what waits by a sweep, not by as much as it was set back', () =>
    withDataFile(async (path) => {
      const clock = createFakeClock();
      const store = await openAt(path, { clock: clock.now, sweepMs: 50 });
      await acceptOne(store, event({ receivedAt: clock.now() }));
      clock.advance(-3_600_000);
      let calls = 0;
      const consumer = store.jobs.consume({
        concurrency: 1,
        run: async () => {
          calls += 1;
        },
      });
      await expect.poll(() => calls, { timeout: 10_000 }).toBe(1);
      await consumer.close(1_000);
      await store.close();
    }));
});

describe('a delivery sent again when its mark is gone', () => {
  it('is still the one that was accepted', () =>
    withDataFile(async (path) => {
      const clock = createFakeClock();
      const store = await openAt(path, { clock: clock.now });
      const first = await acceptOne(store, event({ windowMs: 1_000 }));
      clock.advance(1_001);
      expect(await store.inbox.accept([first])).toEqual([{ outcome: 'accepted', id: first.id }]);
      expect((await store.jobs.stats()).states).toEqual({ queued: 1 });
      await store.close();
    }));
});
