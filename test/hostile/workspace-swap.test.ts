import type { PathLike, Stats } from 'node:fs';
import { link, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ToolContext } from '../../src/workers/tools/tool.ts';
import { createFolders } from '../../src/workers/tools/workspace/folders.ts';
import { createWorkspace } from '../../src/workers/tools/workspace/workspace.ts';
import { testFolder } from '../support/folder.ts';

/**
 * A program of the run, or another run's, that exchanges what lies in the folder at the worst moment: after it was looked
 * at and before it is opened. The moment is made, not waited for: `lstat` calls back when it has looked.
 */
let looked: ((name: string) => Promise<void>) | undefined;

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  return {
    ...real,
    lstat: async (path: PathLike): Promise<Stats> => {
      try {
        return await real.lstat(path);
      } finally {
        await looked?.(basename(String(path)));
      }
    },
  };
});

interface World {
  readonly root: string;
  readonly outside: string;
  readonly parent: string;
  call(name: string, input: object): Promise<string>;
  end(): void;
}
let world: World;

beforeEach(async () => {
  const base = await testFolder();
  const [parent, outside] = [join(base, 'runs'), join(base, 'outside')];
  await mkdir(outside);
  await writeFile(join(outside, 'secret.txt'), 'not yours');
  const run = new AbortController();
  const folders = createFolders(parent);
  const options = { maxBytes: 100_000, maxFiles: 20, programs: {}, programTimeoutMs: 5_000 };
  const tools = createWorkspace({ folders, ...options });
  const context = { tenant: 'acme', eventId: 'ev', callId: 'c', step: 's', run: run.signal, signal: run.signal, fetch };
  const call = async (name: string, input: object): Promise<string> => {
    const tool = tools.find((one) => one.name === `workspace_${name}`);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    try {
      return JSON.stringify(await tool.run(tool.input.parse(input), context satisfies ToolContext));
    } catch (error) {
      return `refused: ${String(error)}`;
    }
  };
  world = { root: await folders.of(run.signal), parent, outside, call, end: () => run.abort() };
});
afterEach(async () => {
  looked = undefined;
  world.end();
  expect(await readdir(world.outside)).toEqual(['secret.txt']);
  expect(await readFile(join(world.outside, 'secret.txt'), 'utf8')).toBe('not yours');
});

/** Exchanges the entry once it has been looked at; tells whether it was. */
function whenLooked(name: string, exchange: () => Promise<void>): () => boolean {
  let isDone = false;
  looked = async (seen) => {
    if (isDone || seen !== name) return;
    isDone = true;
    await exchange();
  };
  return () => isDone;
}

const toSecret = (): string => join(world.outside, 'secret.txt');

describe.skipIf(process.platform !== 'linux')('an entry that is exchanged after it was looked at', () => {
  test('for a link is not read through', async () => {
    const path = join(world.root, 'a.txt');
    await writeFile(path, 'mine');
    const isDone = whenLooked('a.txt', async () => {
      await rm(path);
      await symlink(toSecret(), path);
    });
    const answer = await world.call('read', { path: 'a.txt' });
    expect([isDone(), answer]).toEqual([true, expect.stringMatching(/^refused: /)]);
    expect(answer).not.toContain('not yours');
  });

  test('for a link is not written through', async () => {
    const path = join(world.root, 'a.txt');
    await writeFile(path, 'mine');
    let looks = 0;
    // Looked at twice: to see whether there is room, and before it is opened.
    looked = async (seen) => {
      looks += seen === 'a.txt' ? 1 : 0;
      if (seen !== 'a.txt' || looks !== 2) return;
      await rm(path);
      await symlink(toSecret(), path);
    };
    expect(await world.call('write', { path: 'a.txt', text: 'overwritten' })).toMatch(/^refused: /);
    expect(looks).toBe(2);
  });

  test('for a link that leads to nothing yet makes nothing there', async () => {
    const isDone = whenLooked('new.txt', () => symlink(join(world.outside, 'new.txt'), join(world.root, 'new.txt')));
    expect(await world.call('write', { path: 'new.txt', text: 'made' })).toMatch(/^refused: /);
    expect(isDone()).toBe(true);
  });

  test('for another name of a file elsewhere is neither read nor written', async () => {
    const path = join(world.root, 'a.txt');
    for (const [tool, input] of [
      ['read', { path: 'a.txt' }],
      ['write', { path: 'a.txt', text: 'overwritten' }],
    ] as const) {
      await rm(path, { force: true });
      await writeFile(path, 'mine');
      let looks = 0;
      looked = async (seen) => {
        looks += seen === 'a.txt' ? 1 : 0;
        if (seen !== 'a.txt' || looks !== (tool === 'write' ? 2 : 1)) return;
        await rm(path);
        await link(toSecret(), path);
      };
      const answer = await world.call(tool, input);
      expect(answer).toMatch(/^refused: /);
      expect(answer).not.toContain('not yours');
    }
    await rm(path);
  });

  test('for a link to a folder is not listed through', async () => {
    const path = join(world.root, 'inner');
    await mkdir(path);
    const isDone = whenLooked('inner', async () => {
      await rename(path, join(world.root, 'aside'));
      await symlink(world.outside, path);
    });
    const answer = await world.call('list', {});
    expect([isDone(), answer]).toEqual([true, expect.not.stringContaining('secret.txt')]);
  });

  test('for a link to a folder is not emptied through when its run ends', async () => {
    const path = join(world.root, 'inner');
    await mkdir(path);
    await writeFile(join(path, 'mine.txt'), 'mine');
    const isDone = whenLooked('inner', async () => {
      await rename(path, join(world.root, 'aside'));
      await symlink(world.outside, path);
    });
    world.end();
    await vi.waitFor(() => expect(isDone()).toBe(true));
    // Removing goes on after that; what it may reach it has reached once nothing changes any more.
    const seen = async () => JSON.stringify(await readdir(world.parent, { recursive: true }));
    let before = '';
    await vi.waitFor(
      async () => {
        const now = await seen();
        const isStill = now === before;
        before = now;
        expect(isStill).toBe(true);
      },
      { interval: 100 },
    );
    expect((await lstat(world.outside)).isDirectory()).toBe(true);
  });
});
