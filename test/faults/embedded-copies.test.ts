import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { chmod, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { describe, expect, test } from 'vitest';
import { checkCopy, copyDataFile, restoreDataFile } from '../../src/queue/embedded/file/copies.ts';
import { FILE_VERSION } from '../../src/queue/embedded/file/data-file.ts';
import { acceptAll } from '../contracts/harness.ts';
import { endWithParent } from '../support/children.ts';
import { openAt } from '../support/embedded-process.ts';
import { createEventMaker, deliveredAgain } from '../support/events.ts';
import { testFolder } from '../support/folder.ts';
import { seeds } from '../support/seeds.ts';

const event = createEventMaker(Date.now);
const anyKey = { isKnownKey: () => true };

/** A store that was opened and closed, with one accepted event, and a copy of it. */
async function copied() {
  const folder = await testFolder();
  const path = join(folder, 'data', 'sallyport.db');
  const copy = join(folder, 'copy.db');
  const store = await openAt(path);
  const first = event();
  await acceptAll(store, [first]);
  await store.audit.append('acme', [{ at: 1, actor: 'system', action: 'run.finished', subject: 'e', data: {} }]);
  const facts = await copyDataFile(path, copy);
  await store.close();
  return { folder, path, copy, facts, first };
}

describe('a copy', () => {
  test('is private, whole, without files beside it, and says what it holds', async () => {
    const { folder, copy, facts } = await copied();
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).toSorted()).toEqual(['copy.db', 'data']);
    expect(facts).toMatchObject({ version: FILE_VERSION, events: { queued: 1 }, auditEntries: 1 });
    expect(facts.bytes).toBe(statSync(copy).size);
    expect(Math.abs(Date.now() - facts.madeAt)).toBeLessThan(60_000);
    expect(await checkCopy(copy)).toEqual(facts);
  });

  test('holds each event that was accepted before it was begun, while others are being accepted', async () => {
    const folder = await testFolder();
    const path = join(folder, 'sallyport.db');
    const store = await openAt(path);
    for (const [at] of seeds().entries()) {
      const before = Array.from({ length: 200 }, () => event());
      await acceptAll(store, before);
      const during = Array.from({ length: 200 }, () => event());
      const accepting = acceptAll(store, during);
      const copy = join(folder, `copy-${at}.db`);
      await copyDataFile(path, copy);
      expect(new Set(await accepting)).toEqual(new Set(['accepted']));
      const target = join(folder, `restored-${at}`, 'sallyport.db');
      await restoreDataFile(copy, target, anyKey);
      const restored = await openAt(target);
      expect(
        new Set(
          await acceptAll(
            restored,
            before.map((one) => deliveredAgain(one)),
          ),
        ),
      ).toEqual(new Set(['duplicate']));
      await restored.close();
    }
    await store.close();
  });

  test('never replaces a file, and leaves nothing behind when it fails', async () => {
    const { folder, path, copy } = await copied();
    const bytes = readFileSync(copy);
    await expect(copyDataFile(path, copy)).rejects.toThrow(`${copy}: exists already; choose another name`);
    expect(readFileSync(copy).equals(bytes)).toBe(true);
    const nowhere = join(folder, 'none', 'copy.db');
    await expect(copyDataFile(path, nowhere)).rejects.toThrow(`${nowhere}: cannot be written (ENOENT)`);
    await expect(copyDataFile(join(folder, 'other.db'), join(folder, 'a.db'))).rejects.toThrow(
      'SALLYPORT_DATA_DIR: holds no other.db',
    );
    expect(readdirSync(folder).toSorted()).toEqual(['copy.db', 'data']);
  });

  test('does not lift the file of an earlier release, and can be restored by a later one', async () => {
    const folder = await testFolder();
    const archive = join(import.meta.dirname, '..', 'fixtures', 'stores', 'embedded-0.1.0.tar.gz');
    expect(spawnSync('tar', ['-xzf', archive, '-C', folder]).status).toBe(0);
    const path = join(folder, 'sallyport.db');
    const database = new Database(path);
    const [{ user_version: earlier } = {}] = database.prepare('PRAGMA user_version').all() as {
      user_version: number;
    }[];
    database.close();
    expect(await copyDataFile(path, join(folder, 'copy.db'))).toMatchObject({ version: earlier });
    await restoreDataFile(join(folder, 'copy.db'), join(folder, 'new', 'sallyport.db'), anyKey);
  });
});

describe('restoring', () => {
  test('refuses a plain copy of a file in use, a folder and a pipe, and leaves nothing behind', async () => {
    const folder = await testFolder();
    const path = join(folder, 'data', 'sallyport.db');
    const store = await openAt(path);
    await acceptAll(store, [event()]);
    const plain = join(folder, 'plain.db');
    copyFileSync(path, plain);
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const refused = [
      [plain, /plain\.db: was not made by sallyport backup/],
      [folder, /: is not a file/],
      [pipe, /pipe: is not a file/],
    ] as const;
    for (const [from, says] of refused) {
      await expect(checkCopy(from)).rejects.toThrow(says);
      await expect(restoreDataFile(from, join(folder, 'new', 'sallyport.db'), anyKey)).rejects.toThrow(says);
    }
    expect(readdirSync(join(folder, 'new'))).toEqual([]);
    await store.close();
    // Closed, it has no log beside it; it is still no backup.
    copyFileSync(path, plain);
    await expect(checkCopy(plain)).rejects.toThrow('was not made by sallyport backup');
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('that is stopped by %s removes what it wrote', async (signal) => {
    const folder = await testFolder();
    const source = join(folder, 'source');
    const to = join(folder, 'new', 'sallyport.db');
    // A gibibyte without a byte on the disk, so that the copy takes a while.
    writeFileSync(source, '');
    await truncate(source, 2 ** 30);
    const module = join(import.meta.dirname, '..', '..', 'src', 'queue', 'embedded', 'file', 'copies.ts');
    const code = `const { restoreDataFile } = await import(${JSON.stringify(module)});
      await restoreDataFile(${JSON.stringify(source)}, ${JSON.stringify(to)}, {});`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], { stdio: 'ignore' });
    endWithParent(child);
    const ended = once(child, 'exit');
    const partOf = (): string[] => (existsSync(join(folder, 'new')) ? readdirSync(join(folder, 'new')) : []);
    await expect.poll(() => partOf().length).toBe(1);
    child.kill(signal);
    expect(await ended).toEqual([null, signal]);
    expect(partOf()).toEqual([]);
  });

  test('puts the copy, private, where there was none', async () => {
    const { folder, copy, first, facts } = await copied();
    const target = join(folder, 'new', 'sallyport.db');
    await chmod(copy, 0o644);
    expect(await restoreDataFile(copy, target, { ...anyKey, sha256: facts.sha256 })).toEqual(facts);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, 'new'))).toEqual(['sallyport.db']);
    const store = await openAt(target);
    expect(await acceptAll(store, [deliveredAgain(first)])).toEqual(['duplicate']);
    expect(await store.audit.read('acme', { from: 1, limit: 10 })).toHaveLength(1);
    await store.close();
  });

  test.each(['', '-wal', '-shm', '-journal'])('refuses a folder that holds sallyport.db%s', async (end) => {
    const { folder, copy } = await copied();
    const target = join(folder, 'sallyport.db');
    writeFileSync(`${target}${end}`, 'x');
    await expect(restoreDataFile(copy, target, anyKey)).rejects.toThrow(
      `SALLYPORT_DATA_DIR: holds sallyport.db${end} already; stop the processes and move it away, or set another folder`,
    );
    expect(readFileSync(`${target}${end}`, 'utf8')).toBe('x');
  });

  const spoils: readonly (readonly [string, (copy: string) => Promise<void> | void, string])[] = [
    ['another program’s database', (copy) => meddle(copy, 'PRAGMA application_id = 1'), 'is not a copy of a data file'],
    ['no database', (copy) => writeFileSync(copy, 'x'.repeat(5_000)), 'is not a copy of a data file'],
    ['an empty file', (copy) => truncate(copy, 0), 'is not a copy of a data file'],
    [
      'a newer release’s file',
      (copy) => meddle(copy, 'PRAGMA user_version = 1000'),
      'was made by a newer release (format 1000',
    ],
    ['half a file', (copy) => truncate(copy, 4096 * 3), 'is damaged; use another copy'],
    ['a torn page', (copy) => overwrite(copy, 4096 * 4, 4096), 'is damaged; use another copy'],
  ];
  test.each(spoils)('refuses %s and leaves nothing behind', async (_, spoil, message) => {
    const { folder, copy } = await copied();
    await spoil(copy);
    const target = join(folder, 'new', 'sallyport.db');
    await expect(restoreDataFile(copy, target, anyKey)).rejects.toThrow(`${copy}: ${message}`);
    await expect(checkCopy(copy)).rejects.toThrow(`${copy}: ${message}`);
    expect(readdirSync(join(folder, 'new'))).toEqual([]);
  });

  test('refuses a changed byte that SQLite does not see, by the digest that was noted', async () => {
    const { folder, copy, facts } = await copied();
    meddle(copy, `UPDATE events SET body = replace(body, 'text', 'test')`);
    const target = join(folder, 'new', 'sallyport.db');
    const noted = { ...anyKey, sha256: facts.sha256 };
    await expect(restoreDataFile(copy, target, noted)).rejects.toThrow('does not have the given SHA-256');
    expect(existsSync(target)).toBe(false);
  });

  test('refuses the file of another key, and a file that is missing', async () => {
    const { folder, copy } = await copied();
    const target = join(folder, 'new', 'sallyport.db');
    await expect(restoreDataFile(copy, target, { isKnownKey: (check) => check === 'other' })).rejects.toThrow(
      'SALLYPORT_ID_KEY: is not the key that',
    );
    await expect(restoreDataFile(`${copy}2`, target, anyKey)).rejects.toThrow(`${copy}2: cannot be read (ENOENT)`);
  });
});

/** Changes the copy with a connection of its own. */
function meddle(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

function overwrite(path: string, at: number, bytes: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(bytes, 0xff), 0, bytes, at);
  closeSync(file);
}
