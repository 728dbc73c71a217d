import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { dataFolderOf, type Place } from '../configuration-file.ts';

const FILE = 'dev.json';

const shape = z.object({
  pid: z.int().positive(),
  /** Of this machine, without a slash at the end. */
  url: z.url(),
  /** For commands of its folder; null where its tokens come from an identity provider. */
  token: z.string().nullable(),
});

/** What a running `dev` tells the commands in its folder. */
export type RunningDev = z.output<typeof shape>;

/** Writes what the commands may know, readable by this user alone. A later `dev` of the same folder replaces it. */
export async function noteRunningDev(dataFolder: string, running: RunningDev): Promise<void> {
  const path = join(dataFolder, FILE);
  // A file that is there keeps its mode.
  await rm(path, { force: true });
  await writeFile(path, `${JSON.stringify(running, null, 2)}\n`, { flag: 'wx', mode: 0o600 });
}

/** Removes the record, unless it is another process's by now. */
export async function forgetRunningDev(dataFolder: string, pid: number): Promise<void> {
  if ((await read(join(dataFolder, FILE)))?.pid === pid) await rm(join(dataFolder, FILE), { force: true });
}

/** The `dev` that runs in this folder, or null. A record whose process has ended counts as none. */
export async function readRunningDev(place: Place): Promise<RunningDev | null> {
  const running = await read(join(await dataFolderOf(place), FILE));
  return running !== null && isAlive(running.pid) ? running : null;
}

async function read(path: string): Promise<RunningDev | null> {
  try {
    return shape.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
