import type { Dirent } from 'node:fs';
import { type FileHandle, lstat, opendir, unlink } from 'node:fs/promises';
import { below, openFolder } from './below.ts';
import { MAX_DEPTH } from './path.ts';

export interface WorkspaceFile {
  /** Below the run's folder. */
  readonly path: string;
  readonly bytes: number;
}

export interface Survey {
  /** Plain files, by path. */
  readonly files: readonly WorkspaceFile[];
  readonly bytes: number;
  /** There is more, or it lies deeper, than is looked at. */
  readonly isCut: boolean;
  /** Links, pipes, sockets, devices and files of several names that were removed. */
  readonly removed: number;
}

/**
 * Looks at what lies in a folder, following nothing, and removes what is neither a plain file nor a folder: a program may
 * have left it, and it may lead anywhere. Stops after `maxEntries` entries of any kind.
 */
export async function survey(root: string, maxEntries: number): Promise<Survey> {
  const files: WorkspaceFile[] = [];
  const found = { entries: 0, bytes: 0, removed: 0, isCut: false };

  async function look(folder: FileHandle, prefix: string, depth: number): Promise<void> {
    for await (const entry of await opendir(below(folder))) {
      found.entries += 1;
      if (found.entries > maxEntries) found.isCut = true;
      if (found.isCut) return;
      await lookAt(folder, entry, prefix, depth);
    }
  }

  async function lookAt(folder: FileHandle, { name }: Dirent, prefix: string, depth: number): Promise<void> {
    const path = below(folder, name);
    const stats = await lstat(path);
    if (stats.isFile() && stats.nlink === 1) {
      files.push({ path: prefix + name, bytes: stats.size });
      found.bytes += stats.size;
    } else if (!stats.isDirectory()) {
      await unlink(path);
      found.removed += 1;
    } else if (depth === MAX_DEPTH) {
      found.isCut = true;
    } else {
      const inner = await openFolder(path);
      await look(inner, `${prefix}${name}/`, depth + 1).finally(() => inner.close());
    }
  }

  const folder = await openFolder(root);
  await look(folder, '', 1).finally(() => folder.close());
  files.sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  const { bytes, removed, isCut } = found;
  return { files, bytes, removed, isCut };
}
