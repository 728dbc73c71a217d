import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import type { JsonValue } from '../../../core/json/json.ts';
import { ToolRefusal } from '../refusal.ts';
import { defineTool, type Tool } from '../tool.ts';
import { openToRead, openToWrite } from './open-below.ts';
import { readPath } from './path.ts';
import { survey } from './survey.ts';
import type { WorkspaceDeps } from './workspace-deps.ts';

/** Bytes of a file that one call reads. */
const READ_BYTES = 32 * 1024;
/** Files that one call lists. */
const LIST_FILES = 200;
/** Entries looked at for each file that may be there: folders count as well. */
const ENTRIES_PER_FILE = 2;

const path = z.string().describe('relative, like notes/today.txt');

const writeTool = ({ options: { maxBytes, maxFiles }, folderOf }: WorkspaceDeps) =>
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
      const folder = await folderOf(run);
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

const readTool = ({ folderOf }: WorkspaceDeps) =>
  defineTool({
    name: 'workspace_read',
    description: `Reads a text file of the workspace, ${READ_BYTES} bytes at a time.`,
    input: z.strictObject({ path, offset: z.int().min(0).max(1e12).default(0) }),
    effect: 'none',
    maxCalls: 20,
    run: async ({ path: asked, offset }, { run }) => {
      const names = readPath(asked);
      return using(openToRead(await folderOf(run), names), (file) => readPart(file, offset));
    },
  });

const listTool = ({ options: { maxFiles }, folderOf }: WorkspaceDeps) =>
  defineTool({
    name: 'workspace_list',
    description: 'Lists the files of the workspace with their sizes.',
    input: z.strictObject({}),
    effect: 'none',
    async run(_, { run }) {
      const { files, isCut } = await survey(await folderOf(run), maxFiles * ENTRIES_PER_FILE);
      return {
        files: files.slice(0, LIST_FILES).map((file) => ({ ...file })),
        ...(isCut || files.length > LIST_FILES ? { cut: true } : {}),
      };
    },
  });

export const fileTools = (deps: WorkspaceDeps): readonly Tool[] => [readTool(deps), writeTool(deps), listTool(deps)];

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
