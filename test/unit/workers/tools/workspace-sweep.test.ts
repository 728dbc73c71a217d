import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rmdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFolders } from '../../../../src/workers/tools/workspace/folders.ts';
import { sleep } from '../../../support/clock.ts';
import { testFolder } from '../../../support/folder.ts';

const MINUTE_MS = 60_000;
const soon = () => Date.now() + 5 * MINUTE_MS;
const later = () => Date.now() + 20 * MINUTE_MS;

/** A parent with the folder of a worker that died, and something outside that must not be touched. */
async function leftBehind() {
  const base = await testFolder();
  const [parent, outside] = [join(base, 'runs'), join(base, 'outside')];
  await mkdir(outside);
  await writeFile(join(outside, 'secret.txt'), 'not yours');
  const folder = await createFolders(parent).of(new AbortController().signal);
  await writeFile(join(folder, 'a.txt'), 'a');
  const isUnharmed = async () => (await readFile(join(outside, 'secret.txt'), 'utf8')) === 'not yours';
  return { parent, outside, folder, isUnharmed };
}

/** The user id of `nobody`. */
const NOBODY = 65_534;

/** Root opens every folder: it acts as another user, to whom everything around the folder is open. */
async function asPlainUser(parent: string, act: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return act();
  await chown(join(parent, '..'), NOBODY, -1);
  await chown(parent, NOBODY, -1);
  process.seteuid?.(NOBODY);
  await act().finally(() => process.seteuid?.(0));
}

describe.skipIf(process.platform !== 'linux')('folders that a dead worker left', () => {
  test('are removed once nobody has marked them for a while, and not before', async () => {
    const { parent, folder } = await leftBehind();
    expect(await createFolders(parent, soon).sweep()).toEqual({ removed: 0, left: 0 });
    expect(existsSync(folder)).toBe(true);
    expect(await createFolders(parent, later).sweep()).toEqual({ removed: 1, left: 0 });
    expect(await readdir(parent)).toEqual([]);
  });

  test('are not mistaken for those of a worker that lives: it keeps its own, and marks them for others', async () => {
    const { parent } = await leftBehind();
    const living = createFolders(parent, later);
    const own = await living.of(new AbortController().signal);
    const { ctimeMs: made } = await stat(own);
    await sleep(20);
    expect(await living.sweep()).toEqual({ removed: 1, left: 0 });
    expect((await stat(own)).ctimeMs).toBeGreaterThan(made);
    expect(await readdir(parent)).toHaveLength(1);
  });

  test('are not marked through a link that took the place of a living one', async () => {
    const { parent, outside } = await leftBehind();
    const living = createFolders(parent);
    const own = await living.of(new AbortController().signal);
    const { mtimeMs } = await stat(outside);
    await rmdir(own);
    await symlink(outside, own);
    await sleep(20);
    await living.sweep();
    expect((await stat(outside)).mtimeMs).toBe(mtimeMs);
  });

  test('lead nowhere: links in them are removed, and what they point at stays', async () => {
    const { parent, outside, folder, isUnharmed } = await leftBehind();
    await mkdir(join(folder, 'deep'));
    await symlink(outside, join(folder, 'folder'));
    await symlink(join(outside, 'secret.txt'), join(folder, 'deep', 'file'));
    await symlink('../../outside', join(folder, 'deep', 'up'));
    expect(await createFolders(parent, later).sweep()).toEqual({ removed: 1, left: 0 });
    expect(await readdir(parent)).toEqual([]);
    expect(await isUnharmed()).toBe(true);
  });

  test('are folders, not links that were planted under such a name, and nothing else in the parent', async () => {
    const { parent, outside, isUnharmed } = await leftBehind();
    await symlink(outside, join(parent, 'run-abc123'));
    for (const name of ['notes', 'run-', 'run-toolong1', 'old-run-abc123']) await mkdir(join(parent, name));
    await writeFile(join(parent, 'run-file12'), 'a file');
    expect(await createFolders(parent, later).sweep()).toEqual({ removed: 1, left: 0 });
    const others = ['notes', 'old-run-abc123', 'run-', 'run-abc123', 'run-file12', 'run-toolong1'];
    expect((await readdir(parent)).sort()).toEqual(others);
    expect(await isUnharmed()).toBe(true);
  });

  test('may be deeper than any honest program makes them', async () => {
    const { parent, folder } = await leftBehind();
    await mkdir(join(folder, ...Array.from({ length: 100 }, () => 'd')), { recursive: true });
    expect(await createFolders(parent, later).sweep()).toEqual({ removed: 1, left: 0 });
    expect(await readdir(parent)).toEqual([]);
  });

  test('that cannot be opened are counted and left', async () => {
    const { parent, folder } = await leftBehind();
    await chmod(folder, 0);
    await asPlainUser(parent, async () => {
      expect(await createFolders(parent, later).sweep()).toEqual({ removed: 0, left: 1 });
    });
    await chmod(folder, 0o700);
  });

  test('are none where there is no parent yet', async () => {
    const folders = createFolders(join(await testFolder(), 'nowhere'));
    expect(await folders.sweep()).toEqual({ removed: 0, left: 0 });
  });
});
