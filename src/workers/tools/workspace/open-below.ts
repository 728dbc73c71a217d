import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { ToolRefusal } from '../refusal.ts';
import { below, openFolder } from './below.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, O_CREAT } = constants;

/**
 * Opens the folder that holds the last of `names`, one name at a time and no link followed, and gives it to `use`.
 * @throws ToolRefusal for a part that is no folder
 */
async function inFolderOf<T>(
  root: string,
  names: readonly string[],
  makesFolders: boolean,
  use: (folder: FileHandle, name: string) => Promise<T>,
): Promise<T> {
  let folder = await openFolder(root);
  try {
    for (const name of names.slice(0, -1)) {
      const path = below(folder, name);
      if (makesFolders) await mkdir(path, 0o700).catch(unlessThere);
      const next = await openFolder(path);
      await folder.close();
      folder = next;
    }
    return await use(folder, names.at(-1) ?? '');
  } catch (error) {
    throw refusalOf(error);
  } finally {
    await folder.close();
  }
}

/** A regular file's handle, to be closed by the caller. @throws ToolRefusal for what is none, or is not there */
export const openToRead = (root: string, names: readonly string[]): Promise<FileHandle> =>
  inFolderOf(root, names, false, async (folder, name) => {
    refuseUnlessPlain(await lstat(below(folder, name)));
    return checked(await open(below(folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  });

/** The same for writing; makes the file and the folders above it. What it held is still there. @throws ToolRefusal */
export const openToWrite = (root: string, names: readonly string[]): Promise<FileHandle> =>
  inFolderOf(root, names, true, async (folder, name) => {
    const path = below(folder, name);
    const there = await lstat(path).catch(unlessAbsent);
    if (there !== undefined) refuseUnlessPlain(there);
    // Without O_TRUNC: nothing is emptied before it is known what was opened.
    return checked(await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600));
  });

interface Kind {
  isFile(): boolean;
  readonly nlink: number;
}

/** Links of both kinds, pipes, sockets and devices may lead anywhere. */
function refuseUnlessPlain(stats: Kind): void {
  if (!stats.isFile() || stats.nlink !== 1) throw new ToolRefusal('this is not a plain file');
}

/** Once more after opening: what was looked at before may have been exchanged since. */
async function checked(file: FileHandle): Promise<FileHandle> {
  try {
    refuseUnlessPlain(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

function unlessThere(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error;
}

function unlessAbsent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

/** What an honest path may come to; everything else is a failure of this machine. */
function refusalOf(error: unknown): unknown {
  const code = codeOf(error);
  if (code === 'ENOENT') return new ToolRefusal('there is no such file');
  if (code === 'ENOTDIR' || code === 'ELOOP') return new ToolRefusal('a part of the path is not a folder');
  if (code === 'EISDIR' || code === 'ENXIO') return new ToolRefusal('this is not a plain file');
  return error;
}
