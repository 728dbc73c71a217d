import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Connection, connect, makeDurable } from '../../../src/queue/embedded/file/connection.ts';
import { createWriter, type Writer } from '../../../src/queue/embedded/file/writer.ts';
import { acceptAll } from '../../contracts/harness.ts';
import { openAt } from '../../support/embedded-process.ts';
import { conversationOf, createEventMaker, deliveredAgain } from '../../support/events.ts';
import { testFolder } from '../../support/folder.ts';

const event = createEventMaker(Date.now);

/** A writer over a table whose rows must name one another, which SQLite checks at the commit and no sooner. */
async function openWriter() {
  const connection = connect(join(await testFolder(), 'w.db'));
  onTestFinished(() => connection.close());
  makeDurable(connection);
  connection.exec(`PRAGMA foreign_keys = ON;
    CREATE TABLE kin (id INTEGER PRIMARY KEY, of INTEGER REFERENCES kin (id) DEFERRABLE INITIALLY DEFERRED)`);
  const insert = connection.query('INSERT INTO kin VALUES (?, ?)');
  const writer = createWriter(connection);
  const add = (id: number, of: number) => writer.write(() => insert.run(id, of));
  return { connection, writer, add };
}

const idsIn = (connection: Connection): number[] =>
  connection
    .query<{ id: number }>('SELECT id FROM kin ORDER BY id')
    .all()
    .map(({ id }) => id);

const outcomes = async (works: readonly Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(works)).map(({ status }) => status);

test('a commit that fails rejects everything that shared it, and nothing of it is in the file', async () => {
  const { connection, add } = await openWriter();
  expect(await outcomes([add(1, 1), add(2, 99), add(3, 3)])).toEqual(['rejected', 'rejected', 'rejected']);
  expect(connection.inTransaction).toBe(false);
  expect(idsIn(connection)).toEqual([]);
});

test('what follows a commit that failed is written as if nothing had been', async () => {
  const { connection, add } = await openWriter();
  expect(await outcomes([add(1, 99)])).toEqual(['rejected']);
  expect(await outcomes([add(1, 1), add(2, 1)])).toEqual(['fulfilled', 'fulfilled']);
  expect(idsIn(connection)).toEqual([1, 2]);
});

test('nothing is answered before its commit has succeeded', async () => {
  const { connection, add, writer } = await openWriter();
  const seen: boolean[] = [];
  const note = (work: Promise<unknown>) => work.then(() => seen.push(connection.inTransaction));
  await Promise.all([note(add(1, 1)), note(writer.write(() => undefined)), note(add(2, 2))]);
  expect(seen).toEqual([false, false, false]);
});

test('a work that throws takes back its own changes and no others', async () => {
  const { connection, writer, add } = await openWriter();
  const insert = connection.query('INSERT INTO kin VALUES (?, ?)');
  const half = (writing: Writer) =>
    writing.write(() => {
      insert.run(2, 2);
      insert.run(2, 2);
    });
  expect(await outcomes([add(1, 1), half(writer), add(3, 3)])).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(idsIn(connection)).toEqual([1, 3]);
});

test('an accept that fails in the middle leaves nothing: no mark, record, place or wake, of none of its events', async () => {
  const store = await openAt(join(await testFolder(), 'data', 'store.db'));
  onTestFinished(() => store.close());
  const [first, good] = [event(), event()];
  await store.inbox.accept([first]);
  // Another happening under an id that is taken: its mark is set before its record cannot be written.
  const bad = event({ id: first.id });
  const last = event();
  await expect(store.inbox.accept([good, bad, last])).rejects.toThrow();

  expect((await store.jobs.stats()).states).toEqual({ queued: 1 });
  expect((await store.events.list('acme', { limit: 10 })).events).toMatchObject([{ event: { id: first.id } }]);
  for (const lost of [good, bad, last]) {
    expect(await store.lease.take(conversationOf(lost))).toEqual({ kind: 'empty' });
  }
  const again = [good, bad, last].map((lost) => deliveredAgain(lost));
  expect(await acceptAll(store, again)).toEqual(['accepted', 'accepted', 'accepted']);
  const ran: string[] = [];
  for (const each of again) {
    const taken = await store.lease.take(conversationOf(each));
    if (taken.kind === 'head') ran.push(taken.record.event.id);
  }
  expect(ran).toEqual(again.map(({ id }) => id));
});

test('a fault of the file is told of by its kind, and a fault of a statement is not', async () => {
  const { connection } = await openWriter();
  const kinds: string[] = [];
  const writer = createWriter(connection, (kind) => kinds.push(kind));
  const insert = connection.query('INSERT INTO kin VALUES (?, ?)');
  await expect(writer.write(() => insert.run(1, 99))).rejects.toThrow();
  expect(kinds).toEqual([]);
  connection.pragma('query_only = ON');
  await expect(writer.write(() => insert.run(1, 1))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  expect(kinds).toEqual(['readonly']);
});
