import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import * as z from 'zod';
import type { JsonValue } from '../../../core/json/json-text.ts';
import { ToolRefusal } from '../refusal.ts';
import { defineTool, type Tool } from '../tool.ts';
import { below, openFolder } from './below.ts';
import { readPath } from './path.ts';
import { survey } from './survey.ts';
import type { WorkspaceOptions } from './workspace-options.ts';

/** Bytes of a file that one call reads. */
const READ_BYTES = 32 * 1024;
/** Files that one call lists. */
const LIST_FILES = 200;
/** Entries looked at for each file that may be there: folders count as well. */
const ENTRIES_PER_FILE = 2;

const path = z.string().describe('relative, like notes/today.txt');

const writeTool = ({ folders, maxBytes, maxFiles }: WorkspaceOptions) =>
  defineTool({
    name: 'workspace_write',
    description: 'Writes a text file of the workspace, a folder that lasts as long as this task.',
    input: z.strictObject({ path, text: z.string() }),
    effect: 'none',
    isLocal: true,
    maxCalls: 20,
    async run({ path: asked, text }, { run }) {
      const names = readPath(asked);
      const content = Buffer.from(text);
      const folder = await folders.of(run);
      const { files, bytes, isCut } = await survey(folder, maxFiles * ENTRIES_PER_FILE);
      const there = files.find((file) => file.path === asked);
      const isFull = isCut || (there === undefined && files.length >= maxFiles);
      if (isFull || bytes - (there?.bytes ?? 0) + content.length > maxBytes) {
        throw new ToolRefusal('the workspace is full');
      }
      await using(openToWrite(folder, names), async (file) => {
        await file.truncate(0);
        await file.writeFile(content);
      });
      return { path: asked, bytes: content.length };
    },
  });

const readTool = ({ folders }: WorkspaceOptions) =>
  defineTool({
    name: 'workspace_read',
    description: `Reads a text file of the workspace, ${READ_BYTES} bytes at a time.`,
    input: z.strictObject({ path, offset: z.int().min(0).max(1e12).default(0) }),
    effect: 'none',
    maxCalls: 20,
    run: async ({ path: asked, offset }, { run }) => {
      const names = readPath(asked);
      return using(openToRead(await folders.of(run), names), (file) => readPart(file, offset));
    },
  });

const listTool = ({ folders, maxFiles }: WorkspaceOptions) =>
  defineTool({
    name: 'workspace_list',
    description: 'Lists the files of the workspace with their sizes.',
    input: z.strictObject({}),
    effect: 'none',
    async run(_, { run }) {
      const { files, isCut } = await survey(await folders.of(run), maxFiles * ENTRIES_PER_FILE);
      return {
        files: files.slice(0, LIST_FILES).map((file) => ({ ...file })),
        ...((isCut || files.length > LIST_FILES) && { cut: true }),
      };
    },
  });

export const fileTools = (options: WorkspaceOptions): readonly Tool[] => [
  readTool(options),
  writeTool(options),
  listTool(options),
];

async function readPart(file: FileHandle, offset: number): Promise<JsonValue> {
  const buffer = Buffer.alloc(READ_BYTES);
  const { bytesRead } = await file.read(buffer, 0, READ_BYTES, offset);
  const { size } = await file.stat();
  return { text: new TextDecoder().decode(buffer.subarray(0, bytesRead)), bytes: size, next: offset + bytesRead };
}

async function using<T>(opening: Promise<FileHandle>, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await opening;
  return use(file).finally(() => file.close());
}

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
const openToRead = (root: string, names: readonly string[]): Promise<FileHandle> =>
  inFolderOf(root, names, false, async (folder, name) => {
    refuseUnlessPlain(await lstat(below(folder, name)));
    return checked(await open(below(folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  });

/** The same for writing; makes the file and the folders above it. What it held is still there. @throws ToolRefusal */
const openToWrite = (root: string, names: readonly string[]): Promise<FileHandle> =>
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
