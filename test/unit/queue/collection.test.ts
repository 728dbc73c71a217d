import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { type LogFields, silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { type Collection, createCollection, isUnreadable } from '../../../src/queue/records/collection.ts';
import type { Records } from '../../../src/queue/records.ts';
import { defaultLimits } from '../../../src/queue/store.ts';
import { testFolder } from '../../support/folder.ts';

const cursor = z.object({ v: z.literal(1), at: z.number() });
const later = { v: 2, at: 'a secret of a later release' };

let records: Records;
let cursors: Collection<z.output<typeof cursor>>;
let warnings: [fields: LogFields, name: string][];

beforeEach(async () => {
  warnings = [];
  const logger = { ...silentLogger, warn: (...line: [LogFields, string]) => void warnings.push(line) };
  const path = join(await testFolder(), 'store.db');
  const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger });
  onTestFinished(() => store.close());
  records = store.records;
  cursors = createCollection(records, 'cursors', cursor);
});

const stored = async (name: string) => (await records.get('acme', 'cursors', name))?.value ?? null;

test('a record is made, read, changed and deleted', async () => {
  expect(await cursors.get('acme', 'a')).toBeNull();
  expect(await cursors.update('acme', 'a', (known) => known ?? { v: 1, at: 5 })).toEqual({ v: 1, at: 5 });
  expect(await cursors.update('acme', 'a', (known) => known && { ...known, at: known.at + 1 })).toEqual({
    v: 1,
    at: 6,
  });
  expect(await cursors.get('acme', 'a')).toEqual({ v: 1, at: 6 });
  expect(await cursors.update('acme', 'a', () => null)).toBeNull();
  expect(await records.get('acme', 'cursors', 'a')).toBeNull();
});

test('what a change gives back as it was is not written', async () => {
  await cursors.replace('acme', 'a', { v: 1, at: 5 });
  const before = await records.get('acme', 'cursors', 'a');
  await cursors.update('acme', 'a', (known) => known);
  expect(await records.get('acme', 'cursors', 'a')).toEqual(before);
  expect(await cursors.update('acme', 'b', () => null)).toBeNull();
});

test('changes made at the same time all count', async () => {
  await Promise.all(
    Array.from({ length: 8 }, () => cursors.update('acme', 'a', (known) => ({ v: 1, at: (known?.at ?? 0) + 1 }))),
  );
  expect(await cursors.get('acme', 'a')).toEqual({ v: 1, at: 8 });
});

test('a record in a later form is refused, reported once by its name, and stays as it is', async () => {
  await records.compareAndSet('acme', 'cursors', 'a', 0, later);
  const refusal = { code: 'ERR_STORE_MISMATCH' };
  await expect(cursors.get('acme', 'a')).rejects.toMatchObject(refusal);
  await expect(cursors.update('acme', 'a', () => ({ v: 1, at: 0 }))).rejects.toMatchObject(refusal);
  await expect(cursors.update('acme', 'a', () => null)).rejects.toSatisfy(isUnreadable);
  expect(await stored('a')).toEqual(later);
  expect(warnings).toEqual([[{ tenant: 'acme', collection: 'cursors', name: 'a' }, 'record.unreadable']]);
});

test('a list names what it leaves out', async () => {
  await records.compareAndSet('acme', 'cursors', 'a', 0, later);
  await cursors.replace('acme', 'b', { v: 1, at: 5 });
  expect(await cursors.list('acme')).toEqual({ records: new Map([['b', { v: 1, at: 5 }]]), unreadable: ['a'] });
});

test('a value that depends on nothing stored replaces also what cannot be read', async () => {
  await records.compareAndSet('acme', 'cursors', 'a', 0, later);
  await cursors.replace('acme', 'a', { v: 1, at: 5 });
  expect(await cursors.get('acme', 'a')).toEqual({ v: 1, at: 5 });
});

test('a record that never stays as it was read ends with an error, not with the time of the caller', async () => {
  let tries = 0;
  const busy: Records = {
    ...records,
    compareAndSet: async () => {
      tries += 1;
      return false;
    },
  };
  const writing = createCollection(busy, 'cursors', cursor).replace('acme', 'a', { v: 1, at: 5 });
  await expect(writing).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  expect(tries).toBe(20);
});
