import { type FileHandle, lstat, lutimes, mkdir, mkdtemp, opendir, rename, rmdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../../../core/clock.ts';
import { below, openFolder } from './below.ts';
import { MAX_DEPTH } from './path.ts';

/** The folders of runs, all in one parent that several worker processes may share. */
export interface Folders {
  /** The folder of the run with this signal: made when it is first asked for, removed when the run ends. */
  of(run: AbortSignal): Promise<string>;
  /**
   * Marks this process's folders as in use, and removes those that nobody has marked for `STALE_MS`: their worker is dead.
   * @returns how many were removed, and how many could not be
   */
  sweep(): Promise<{ readonly removed: number; readonly left: number }>;
}

/** How `mkdtemp` names them. Nothing else in the parent is ours to remove. */
const PREFIX = 'run-';
const OURS = /^run-[A-Za-z0-9]{6}$/;

/** How often a worker should sweep, in ms. */
export const SWEEP_MS = 60_000;
/** Ten marks that did not come, in ms. Whoever blocks its process for so long has lost its lease long before. */
const STALE_MS = 10 * SWEEP_MS;

export function createFolders(parent: string, clock: Clock = Date.now): Folders {
  const byRun = new WeakMap<AbortSignal, Promise<string>>();
  const live = new Set<string>();

  async function make(run: AbortSignal): Promise<string> {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(parent, PREFIX));
    const name = basename(folder);
    live.add(name);
    const remove = (): void => {
      live.delete(name);
      inParent(parent, (open) => removeBelow(open, name)).catch(() => {
        // A program that is being killed may still write; a later sweep finds what is left.
      });
    };
    if (run.aborted) remove();
    else run.addEventListener('abort', remove, { once: true });
    return folder;
  }

  /** By the time of the last change to the folder's entry, which `lutimes` moves and no program can set. */
  async function isStale(open: FileHandle, name: string): Promise<boolean> {
    const stats = await lstat(below(open, name));
    return stats.isDirectory() && clock() - stats.ctimeMs > STALE_MS;
  }

  async function visit(open: FileHandle, name: string): Promise<'removed' | 'left' | 'kept'> {
    try {
      if (live.has(name)) {
        await lutimes(below(open, name), new Date(), new Date());
        return 'kept';
      }
      if (!(await isStale(open, name))) return 'kept';
      await removeBelow(open, name);
      return 'removed';
    } catch {
      // Another worker was quicker, or a program took the rights away.
      return 'left';
    }
  }

  return {
    of(run) {
      run.throwIfAborted();
      const made = byRun.get(run) ?? make(run);
      byRun.set(run, made);
      return made;
    },
    async sweep() {
      const count = { removed: 0, left: 0, kept: 0 };
      await inParent(parent, async (open) => {
        for await (const { name } of await opendir(below(open))) {
          if (OURS.test(name)) count[await visit(open, name)] += 1;
        }
      });
      return { removed: count.removed, left: count.left };
    },
  };
}

/** Nothing when there is no parent yet. The parent itself is whatever the configuration names, a link included. */
async function inParent(parent: string, use: (open: FileHandle) => Promise<void>): Promise<void> {
  let open: FileHandle;
  try {
    open = await openFolder(`${parent}/.`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  await use(open).finally(() => open.close());
}

/**
 * Removes the folder `name` of an open folder and all that is in it, following nothing: what a program left there may lead
 * anywhere, and may turn into a link while we look. What is not a folder is left alone. Never throws for what is gone.
 */
async function removeBelow(parent: FileHandle, name: string): Promise<void> {
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
