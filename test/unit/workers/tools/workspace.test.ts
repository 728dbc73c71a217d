import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { link, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ToolRefusal } from '../../../../src/workers/tools/refusal.ts';
import type { ToolContext } from '../../../../src/workers/tools/tool.ts';
import { createFolders } from '../../../../src/workers/tools/workspace/folders.ts';
import { createWorkspace } from '../../../../src/workers/tools/workspace/workspace.ts';
import type { WorkspaceOptions } from '../../../../src/workers/tools/workspace/workspace-options.ts';
import { endWithParent } from '../../../support/children.ts';
import { PATIENCE_MS } from '../../../support/clock.ts';
import { testFolder } from '../../../support/folder.ts';
import { testWith } from '../../../support/needs.ts';

interface Opened {
  readonly parent: string;
  /** The run's folder. */
  readonly folder: () => Promise<string>;
  readonly outside: string;
  readonly close: () => void;
  call(name: string, input: object, signal?: AbortSignal): Promise<Record<string, unknown>>;
}

async function open(options: Partial<WorkspaceOptions> = {}): Promise<Opened> {
  const base = await testFolder();
  const parent = join(base, 'runs');
  const outside = join(base, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret.txt'), 'not yours');
  const run = new AbortController();
  const tools = createWorkspace({
    folders: createFolders(parent),
    maxBytes: 100_000,
    maxFiles: 20,
    programs: {},
    programTimeoutMs: 5_000,
    ...options,
  });
  onTestFinished(() => run.abort());
  const call: Opened['call'] = async (name, input, signal = new AbortController().signal) => {
    const tool = tools.find((one) => one.name === `workspace_${name}`);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    const context = {
      tenant: 'acme',
      eventId: 'ev',
      callId: 'c',
      step: 's',
      run: run.signal,
      signal,
      fetch,
    } satisfies ToolContext;
    return (await tool.run(tool.input.parse(input), context)) as Record<string, unknown>;
  };
  const folder = async (): Promise<string> => {
    await call('list', {});
    return join(parent, (await readdir(parent))[0] ?? '');
  };
  return { parent, outside, folder, close: () => run.abort(), call };
}

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    (value) => `resolved ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof ToolRefusal ? error.message : `threw ${String(error)}`),
  );

/** Reads while the other process swaps folder and link: a second of them on a loaded machine. */
const RACED = 3_000;

const isLinux = process.platform === 'linux';
const bin = (name: string): string => execFileSync('which', [name], { encoding: 'utf8' }).trim();

describe.skipIf(!isLinux)('files', () => {
  test('that were written are read and listed', async () => {
    const { call } = await open();
    expect(await call('write', { path: 'notes/today.txt', text: 'héllo' })).toEqual({
      path: 'notes/today.txt',
      bytes: 6,
    });
    await call('write', { path: 'a.txt', text: 'a' });
    expect(await call('read', { path: 'notes/today.txt' })).toEqual({ text: 'héllo', bytes: 6, next: 6 });
    expect(await call('list', {})).toEqual({
      files: [
        { path: 'a.txt', bytes: 1 },
        { path: 'notes/today.txt', bytes: 6 },
      ],
    });
  });

  test('are replaced as a whole', async () => {
    const { call } = await open();
    await call('write', { path: 'a.txt', text: 'long text' });
    await call('write', { path: 'a.txt', text: 'short' });
    expect(await call('read', { path: 'a.txt' })).toMatchObject({ text: 'short', bytes: 5 });
  });

  test('are read in parts', async () => {
    const { call } = await open();
    await call('write', { path: 'a.txt', text: 'x'.repeat(40_000) });
    const first = await call('read', { path: 'a.txt' });
    expect(first).toMatchObject({ bytes: 40_000, next: 32_768 });
    expect(await call('read', { path: 'a.txt', offset: 32_768 })).toMatchObject({ next: 40_000 });
  });

  test('have limits together, in bytes and in number', async () => {
    const { call } = await open({ maxBytes: 100, maxFiles: 3 });
    await call('write', { path: 'a', text: 'x'.repeat(90) });
    expect(await refusal(call('write', { path: 'b', text: 'x'.repeat(11) }))).toBe('the workspace is full');
    await call('write', { path: 'a', text: 'x'.repeat(100) });
    await call('write', { path: 'b', text: '' });
    await call('write', { path: 'c', text: '' });
    expect(await refusal(call('write', { path: 'd', text: '' }))).toBe('the workspace is full');
  });

  test('are gone when the run ends, and nothing is made before it is used', async () => {
    const { call, close, parent } = await open();
    expect(existsSync(parent)).toBe(false);
    await call('write', { path: 'a/b/c', text: 'x' });
    expect(await readdir(parent)).toHaveLength(1);
    close();
    await expect.poll(() => readdir(parent)).toEqual([]);
    await expect(call('list', {})).rejects.toThrow();
    expect(await readdir(parent)).toEqual([]);
  });
});

const badPaths = [
  '/etc/passwd',
  '//etc/passwd',
  '../secret.txt',
  '../../outside/secret.txt',
  'a/../../secret.txt',
  'a/..',
  '..',
  '.',
  './a',
  'a/./b',
  'a//b',
  'a/',
  '/',
  '',
  'a\\..\\b',
  '..\\secret.txt',
  'a\0b',
  'a\0/../../etc/passwd',
  'C:\\Windows',
  'a\nb',
  'a\u202etxt.exe',
  '\ud800',
  'x'.repeat(256),
  'é'.repeat(128),
  `${'a/'.repeat(16)}a`,
  `${'y/'.repeat(600)}a`,
];

describe.skipIf(!isLinux)('a path that is not clean', () => {
  test.each(badPaths)('is refused for reading and writing: %j', async (path) => {
    const { call, parent } = await open();
    expect(await refusal(call('read', { path }))).toMatch(/^the path must be relative/);
    expect(await refusal(call('write', { path, text: 'x' }))).toMatch(/^the path must be relative/);
    expect(existsSync(parent)).toBe(false);
  });

  test('never leads out, whatever it is made of', async () => {
    const { call, outside, parent } = await open({ maxFiles: 10_000, maxBytes: 1e6 });
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      'a',
      'b',
      'outside',
      'secret.txt',
      '~',
      '%2e%2e',
      '..;',
      '...',
      '\0',
      '\\',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
        const path = parts.join('/');
        const read = await refusal(call('read', { path }));
        expect(read).not.toContain('not yours');
        await refusal(call('write', { path, text: 'mine' }));
      }),
      { numRuns: 300 },
    );
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('not yours');
    expect(readdirSync(join(parent, '..')).sort()).toEqual(['outside', 'runs']);
  });
});

describe.skipIf(!isLinux)('what a program left in the folder', () => {
  test('leads nowhere: links to files and folders, in the middle and at the end', async () => {
    const { call, folder, outside } = await open();
    const root = await folder();
    await symlink(join(outside, 'secret.txt'), join(root, 'file'));
    await symlink(outside, join(root, 'folder'));
    await mkdir(join(root, 'deep'));
    await symlink('../..', join(root, 'deep', 'up'));
    await symlink('/', join(root, 'root'));
    await symlink('missing', join(root, 'dangling'));
    for (const path of ['file', 'folder/secret.txt', 'deep/up/outside/secret.txt', 'root/etc/passwd', 'dangling']) {
      expect(await refusal(call('read', { path }))).toMatch(
        /^(this is not a plain file|a part of the path is not a folder)$/,
      );
    }
  });

  test('cannot be written through: nothing outside is changed or made', async () => {
    const { call, folder, outside } = await open();
    const root = await folder();
    const plant = async (): Promise<void> => {
      await symlink(join(outside, 'secret.txt'), join(root, 'file')).catch(() => {});
      await symlink(outside, join(root, 'folder')).catch(() => {});
      await symlink(join(outside, 'new.txt'), join(root, 'dangling')).catch(() => {});
    };
    for (const path of ['file', 'folder/secret.txt', 'folder/new.txt', 'folder/sub/new.txt', 'dangling']) {
      await plant();
      await refusal(call('write', { path, text: 'mine' }));
    }
    expect(await readdir(outside)).toEqual(['secret.txt']);
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('not yours');
  });

  test('is no second name of a file elsewhere', async () => {
    const { call, folder, outside } = await open();
    const root = await folder();
    await link(join(outside, 'secret.txt'), join(root, 'hard'));
    expect(await refusal(call('read', { path: 'hard' }))).toBe('this is not a plain file');
    await refusal(call('write', { path: 'hard', text: 'mine' }));
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('not yours');
  });

  testWith('mkfifo')('is no pipe, socket or folder taken for a file, and waits for nobody', async () => {
    const { call, folder } = await open();
    const root = await folder();
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const server = createServer().listen(join(root, 'socket'));
    onTestFinished(() => void server.close());
    await mkdir(join(root, 'inner'));
    for (const path of ['pipe', 'socket', 'inner']) {
      expect(await refusal(call('read', { path }))).toBe('this is not a plain file');
    }
    expect(await refusal(call('write', { path: 'inner', text: 'x' }))).toBe('this is not a plain file');
    expect(await call('list', {})).toEqual({ files: [] });
    expect(await readdir(root)).toEqual(['inner']);
  });

  test('leads nowhere even when a folder turns into a link and back all the time', async () => {
    const { call, folder, outside } = await open({ maxFiles: 1000, maxBytes: 1e7 });
    const root = await folder();
    await mkdir(join(root, 'real'));
    await writeFile(join(root, 'real', 'secret.txt'), 'mine');
    await symlink(outside, join(root, 'link'));
    // Another process, because a race within one event loop is none.
    const swap = `const { renameSync } = require('node:fs'); const [d] = process.argv.slice(1);
      for (;;) { try { renameSync(d + '/real', d + '/at'); renameSync(d + '/at', d + '/real');
      renameSync(d + '/link', d + '/at'); renameSync(d + '/at', d + '/link'); } catch {} }`;
    const racer = endWithParent(spawn(process.execPath, ['-e', swap, root], { stdio: 'ignore' }));
    onTestFinished(() => void racer.kill('SIGKILL'));
    const seen = new Set<string>();
    const hasSeenBoth = () =>
      [...seen].some((one) => one.includes('mine')) && seen.has('a part of the path is not a folder');
    const until = Date.now() + PATIENCE_MS;
    for (let raced = 0; raced < RACED && Date.now() < until; raced += hasSeenBoth() ? 1 : 0) {
      // Not `list` or `write`, which would take the link away.
      const read = await refusal(call('read', { path: 'at/secret.txt' }));
      seen.add(read);
      expect(read).not.toContain('not yours');
    }
    expect([...seen].some((one) => one.includes('mine'))).toBe(true);
    expect([...seen]).toContain('a part of the path is not a folder');
  });

  test('is not counted, listed or followed by a survey', async () => {
    const { call, folder, outside } = await open();
    const root = await folder();
    await writeFile(join(outside, 'big'), 'x'.repeat(200_000));
    await symlink(outside, join(root, 'folder'));
    expect(await call('list', {})).toEqual({ files: [] });
    expect(await readdir(outside)).toEqual(['big', 'secret.txt']);
    expect(await readdir(root)).toEqual([]);
  });

  test('is not walked without end: too many entries and too deep folders fill the workspace', async () => {
    const { call, folder } = await open({ maxFiles: 5 });
    const root = await folder();
    await mkdir(join(root, 'd/'.repeat(30)), { recursive: true });
    expect(await refusal(call('write', { path: 'a', text: 'x' }))).toBe('the workspace is full');
    await rm(join(root, 'd'), { recursive: true });
    for (let n = 0; n < 30; n += 1) await writeFile(join(root, `f${n}`), '');
    expect(await call('list', {})).toMatchObject({ cut: true });
    expect(await refusal(call('write', { path: 'a', text: 'x' }))).toBe('the workspace is full');
    await rename(join(root, 'f1'), join(root, 'f2'));
  });
});

describe.skipIf(!isLinux)('programs', () => {
  // The configuration refuses some of these: here they stand for a program that does whatever it can.
  const options = ['-e', '-n', '-u'];
  const programs = Object.fromEntries(
    (isLinux ? ['cat', 'env', 'echo', 'sleep', 'yes', 'ln', 'node'] : []).map((name) => [
      name,
      { path: name === 'node' ? process.execPath : bin(name), options },
    ]),
  );

  test('are none unless they are configured', async () => {
    const { call } = await open();
    await expect(call('run', { program: 'cat' })).rejects.toThrow('no tool run');
  });

  test('get their arguments as they are: nothing is a shell', async () => {
    const { call } = await open({ programs });
    const given = ['$(id)', '`id`', '; id', '| id', '&& id', '*', '$HOME', "'", '"', '\n', '-n', '>x'];
    const ended = await call('run', { program: 'echo', arguments: ['-e', ...given] });
    expect(ended).toMatchObject({ exitCode: 0, stderr: '', stdout: `${given.join(' ')}\n` });
    expect(await call('list', {})).toEqual({ files: [] });
  });

  test('know nothing of our environment', async () => {
    const { call } = await open({ programs });
    expect(await call('run', { program: 'env' })).toMatchObject({ stdout: 'PATH=/usr/bin:/bin\n' });
  });

  test.each(['sh', '/bin/sh', '../cat', '__proto__', 'constructor', 'cat ', ''])(
    'of the name %j do not exist',
    async (program) => {
      const { call } = await open({ programs });
      await expect(call('run', { program })).rejects.toThrow();
    },
  );

  test.each([
    ['/etc/passwd'],
    ['//etc/passwd'],
    ['../outside/secret.txt'],
    ['a/../../outside/secret.txt'],
    ['..'],
    ['--file=/etc/passwd'],
    ['--file=../x'],
    ['-f/etc/passwd'],
    ['-I../x'],
    ['-C..'],
    ['x=/etc/passwd'],
    ['a,/etc/passwd'],
    ['a:/etc/passwd'],
    ['file:///etc/passwd'],
    ['http://10.0.0.1/'],
    ['@/etc/passwd'],
    ['~/x'],
    ['~root/x'],
    ['"/etc/passwd"'],
    ['a b /etc/passwd'],
    ['a\\b'],
    ['a\0b'],
  ])('take no argument that could name a file outside: %j', async (argument) => {
    const { call } = await open({ programs });
    expect(await refusal(call('run', { program: 'cat', arguments: [argument] }))).toBe(
      'arguments may only name files of the workspace, by relative paths',
    );
  });

  test('read files of the workspace', async () => {
    const { call } = await open({ programs });
    await call('write', { path: 'src/a.txt', text: 'hi' });
    for (const argument of ['src/a.txt', 'src/a.txt', '-u', '--', 'v1.2..3']) {
      const ended = await call('run', { program: 'echo', arguments: [argument] });
      expect(ended.exitCode).toBe(0);
    }
    expect(await call('run', { program: 'cat', arguments: ['src/a.txt'] })).toMatchObject({ stdout: 'hi' });
  });

  test('leave no link behind', async () => {
    const { call, folder, outside } = await open({ programs });
    const script = `require('node:fs').symlinkSync(${JSON.stringify(outside)}, 'out')`;
    const ended = await call('run', { program: 'node', arguments: ['-e', Buffer.from(script).toString()] }).catch(
      () => null,
    );
    expect(ended).toBeNull();
    await call('write', { path: 'make.js', text: script });
    expect(await call('run', { program: 'node', arguments: ['make.js'] })).toMatchObject({
      exitCode: 0,
      removedLinks: 1,
    });
    expect(await readdir(await folder())).toEqual(['make.js']);
    expect(await readdir(outside)).toEqual(['secret.txt']);
  });

  test('end with their time, their output and their run, and so does what they started', async () => {
    const withShell = { ...programs, sh: { path: bin('sh'), options } };
    const { call, folder } = await open({ programs: withShell, programTimeoutMs: 400 });
    expect(await call('run', { program: 'sleep', arguments: ['600'] })).toMatchObject({
      exitCode: null,
      endedBy: 'time',
    });
    const loud = await call('run', { program: 'yes' });
    expect(loud).toMatchObject({ endedBy: 'output' });
    expect(String(loud.stdout).length).toBe(16_384);
    // A shell, because Node may take all of the time to start on a machine that is loaded.
    await call('write', { path: 'children.sh', text: `sleep ${LEFT} &\necho started\nwait\n` });
    const ended = await call('run', { program: 'sh', arguments: ['children.sh'] });
    expect(ended).toMatchObject({ stdout: expect.stringContaining('started') });
    await expect.poll(() => runningSleeps(LEFT)).toEqual([]);
    const controller = new AbortController();
    const pending = call('run', { program: 'sleep', arguments: [ABORTED] }, controller.signal);
    await expect.poll(() => runningSleeps(ABORTED)).toHaveLength(1);
    controller.abort(new Error('the run is over'));
    await expect(pending).rejects.toThrow('the run is over');
    await expect.poll(() => runningSleeps(ABORTED)).toEqual([]);
    await folder();
  });

  test('end with their processor time and cannot write a file larger than the workspace', async () => {
    const { call } = await open({ programs, programTimeoutMs: 30_000, maxBytes: 50_000 });
    await call('write', { path: 'big.js', text: `require('node:fs').writeFileSync('big', 'x'.repeat(90_000))` });
    const big = await call('run', { program: 'node', arguments: ['big.js'] });
    expect(big.exitCode).not.toBe(0);
    const { files } = await call('list', {});
    expect(
      (files as { path: string; bytes: number }[]).find(({ path }) => path === 'big')?.bytes ?? 0,
    ).toBeLessThanOrEqual(50_000);
  });
});

/** Seconds nobody else on this machine sleeps for. */
const LEFT = String(200_000 + process.pid);
const ABORTED = String(9_000_000 + process.pid);

/** Processes `sleep <seconds>` on this machine. */
const runningSleeps = (seconds: string): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(`sleep\0${seconds}\0`);
      } catch {
        return false;
      }
    });
