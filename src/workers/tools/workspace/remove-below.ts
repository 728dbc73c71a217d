import { type FileHandle, lstat, opendir, rename, rmdir, unlink } from 'node:fs/promises';
import { below, openFolder } from './below.ts';
import { MAX_DEPTH } from './path.ts';

/**
 * Removes the folder `name` of an open folder and all that is in it, following nothing: what a program left there may lead
 * anywhere, and may turn into a link while we look. What is not a folder is left alone. Never throws for what is gone.
 */
export async function removeBelow(parent: FileHandle, name: string): Promise<void> {
  const path = below(parent, name);
  try {
    const folder = await openFolder(path);
    await clear(folder).finally(() => folder.close());
    await rmdir(path);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Folders that lie deeper than programs honestly make them are brought to the top, so that no path is too long to walk. */
async function clear(top: FileHandle): Promise<void> {
  let moved = 0;

  async function clearFolder(folder: FileHandle, depth: number): Promise<void> {
    for await (const { name } of await opendir(below(folder))) {
      const path = below(folder, name);
      if (!(await lstat(path)).isDirectory()) await unlink(path);
      else if (depth === MAX_DEPTH) {
        moved += 1;
        await rename(path, below(top, `.moved-${process.hrtime.bigint()}-${moved}`));
      } else {
        const inner = await openFolder(path);
        await clearFolder(inner, depth + 1).finally(() => inner.close());
        await rmdir(path);
      }
    }
  }

  do {
    moved = 0;
    await clearFolder(top, 1);
  } while (moved > 0);
}

const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
