import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/core/json/json-text.ts';
import type { StoredRecord } from '../../src/queue/records.ts';
import type { Store } from '../../src/queue/store.ts';
import type { StoreHarness } from './harness.ts';

/** What every store promises about small records. */
export function recordsContract(name: string, harness: StoreHarness): void {
  describe(`${name} records`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await harness.open();
    });
    afterEach(() => harness.cleanup());

    /** Writes over whatever is there. */
    async function put(collection: string, recordName: string, value: JsonValue): Promise<StoredRecord> {
      const before = await store.records.get('acme', collection, recordName);
      expect(await store.records.compareAndSet('acme', collection, recordName, before?.revision ?? 0, value)).toBe(
        true,
      );
      const after = await store.records.get('acme', collection, recordName);
      if (after === null) throw new Error('expected a record');
      return after;
    }

    it('has nothing at first', async () => {
      expect(await store.records.get('acme', 'cursors', 'a')).toBeNull();
      expect(await store.records.list('acme', 'cursors')).toEqual(new Map());
    });

    it.each([[{ deep: ['€', null, 1] }], ['text'], [0], [false], [[]]])('keeps %j as it is', async (value) => {
      expect((await put('cursors', 'a', value)).value).toEqual(value);
    });

    it('changes nothing about a record that is reported as unreadable', async () => {
      const before = await put('cursors', 'a', 1);
      store.records.unreadable('acme', 'cursors', 'a');
      expect(await store.records.get('acme', 'cursors', 'a')).toEqual(before);
    });

    it('creates only what is absent', async () => {
      await put('cursors', 'a', 1);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', 0, 2)).toBe(false);
      expect((await store.records.get('acme', 'cursors', 'a'))?.value).toBe(1);
    });

    it('writes only over the revision that was read, and every write makes another', async () => {
      const one = await put('cursors', 'a', 1);
      const two = await put('cursors', 'a', 1);
      expect(two.revision).not.toBe(one.revision);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', one.revision, 3)).toBe(false);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', two.revision, 3)).toBe(true);
      expect(await store.records.compareAndSet('acme', 'cursors', 'never', one.revision, 3)).toBe(false);
    });

    it('deletes with null, only the revision that was read', async () => {
      const { revision } = await put('cursors', 'a', 1);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', revision + 1_000, null)).toBe(false);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', revision, null)).toBe(true);
      expect(await store.records.get('acme', 'cursors', 'a')).toBeNull();
    });

    it('does not let a record made again answer to the revision of the deleted one', async () => {
      const old = await put('cursors', 'a', 1);
      await store.records.compareAndSet('acme', 'cursors', 'a', old.revision, null);
      const fresh = await put('cursors', 'a', 1);
      expect(fresh.revision).not.toBe(old.revision);
      expect(await store.records.compareAndSet('acme', 'cursors', 'a', old.revision, 2)).toBe(false);
    });

    it('lets one of many writers win, over all handles', async () => {
      const other = await harness.reopen(store);
      const race = (expected: number) =>
        Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            (i % 2 ? store : other).records.compareAndSet('acme', 'cursors', 'a', expected, i),
          ),
        );
      expect((await race(0)).filter(Boolean)).toHaveLength(1);
      const { revision = 0 } = (await store.records.get('acme', 'cursors', 'a')) ?? {};
      expect((await race(revision)).filter(Boolean)).toHaveLength(1);
    });

    it('lists a collection and nothing else', async () => {
      const a = await put('cursors', 'a', 1);
      const b = await put('cursors', 'b', 2);
      await put('cursor', 's:a', 3);
      await put('cursors:a', 'x', 4);
      await store.records.compareAndSet('globex', 'cursors', 'c', 0, 5);
      const list = await store.records.list('acme', 'cursors');
      expect(new Map([...list].sort())).toEqual(
        new Map([
          ['a', a],
          ['b', b],
        ]),
      );
    });

    it('keeps names apart that would read the same once joined', async () => {
      await put('a', 'b:c', 1);
      await put('a:b', 'c', 2);
      expect((await store.records.get('acme', 'a', 'b:c'))?.value).toBe(1);
      expect((await store.records.get('acme', 'a:b', 'c'))?.value).toBe(2);
    });

    it('keeps tenants apart', async () => {
      const mine = await put('cursors', 'a', 1);
      expect(await store.records.get('globex', 'cursors', 'a')).toBeNull();
      expect(await store.records.compareAndSet('globex', 'cursors', 'a', mine.revision, null)).toBe(false);
      expect(await store.records.compareAndSet('globex', 'cursors', 'a', 0, 9)).toBe(true);
      expect((await store.records.get('acme', 'cursors', 'a'))?.value).toBe(1);
    });
  });
}
