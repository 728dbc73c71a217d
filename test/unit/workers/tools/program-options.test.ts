import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../../../src/config/load.ts';
import { ToolRefusal } from '../../../../src/workers/tools/refusal.ts';
import type { Tool, ToolContext } from '../../../../src/workers/tools/tool.ts';
import { createFolders } from '../../../../src/workers/tools/workspace/folders.ts';
import { createWorkspace } from '../../../../src/workers/tools/workspace/workspace.ts';
import { testFolder } from '../../../support/folder.ts';

const isLinux = process.platform === 'linux';
const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};

const load = (programs: unknown) => loadConfig({ tools: { workspace: { programs } } }, sound, 'all');
function problemsOf(programs: unknown): readonly string[] {
  const loaded = load(programs);
  return loaded.ok ? [] : loaded.problems;
}

/** Stands in for ripgrep, which is not on every machine: runs the program of `--pre` on each file, as ripgrep does. */
const RG = `#!/bin/sh
pre=
while [ $# -gt 0 ]; do
  case $1 in
    --pre) pre=$2; shift ;;
    --pre=*|--pr=*) pre=\${1#*=} ;;
    --*) ;;
    *) [ -f "$1" ] && { [ -n "$pre" ] && $pre "$1"; echo "searched $1"; } ;;
  esac
  shift
done
exit 0
`;

interface Opened {
  readonly tool: Tool;
  run(program: string, args: readonly string[]): Promise<string>;
  files(): Promise<readonly string[]>;
}

/** The workspace as a configuration describes it, with a file the model wrote that is a shell script. */
async function open(programsOf: (bin: string) => unknown): Promise<Opened> {
  const base = await testFolder();
  const bin = join(base, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'rg'), RG);
  await chmod(join(bin, 'rg'), 0o755);
  const loaded = load(programsOf(bin));
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const parent = join(base, 'runs');
  const run = new AbortController();
  onTestFinished(() => run.abort());
  const tools = createWorkspace({
    folders: createFolders(parent),
    maxBytes: 1_000_000,
    maxFiles: 20,
    programs: loaded.config.tools.workspace.programs,
    programTimeoutMs: 5_000,
  });
  const find = (name: string): Tool => {
    const tool = tools.find((one) => one.name === name);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    return tool;
  };
  const { signal } = new AbortController();
  const context = { tenant: 'acme', eventId: 'e', callId: 'c', step: 's', run: run.signal, signal, fetch };
  const call = async (name: string, input: object): Promise<unknown> => {
    const tool = find(name);
    return tool.run(tool.input.parse(input), context satisfies ToolContext);
  };
  await call('workspace_write', { path: 'notes.txt', text: `echo yes > ran.txt\n${'# line\n'.repeat(2_000)}` });
  return {
    tool: find('workspace_run'),
    run: (program, given) =>
      call('workspace_run', { program, arguments: given }).then(
        (value) => `ran ${JSON.stringify(value)}`,
        (error: unknown) => (error instanceof ToolRefusal ? error.message : `threw ${String(error)}`),
      ),
    files: async () => {
      const [folder = ''] = await readdir(parent);
      return (await readdir(join(parent, folder))).sort();
    },
  };
}

/** Calls that run the file the model wrote, delete it, or write where they like; each is one no denial of a name covers. */
const attacks: readonly (readonly [string, readonly string[]])[] = [
  ['rg', ['--pre', 'sh', '.', 'notes.txt']],
  ['rg', ['--pre=sh', '.', 'notes.txt']],
  ['rg', ['--pr=sh', '.', 'notes.txt']],
  ['rg', ['--', '--pre=sh', 'notes.txt']],
  ['find', ['.', '-name', 'notes.txt', '-exec', 'sh', '{}', ';']],
  ['find', ['.', '-name', 'notes.txt', '-exec', 'sh', '{}', '+']],
  ['find', ['--', '.', '-name', 'notes.txt', '-execdir', 'sh', '{}', ';']],
  ['find', ['.', '-name', 'notes.txt', '-delete']],
  ['find', ['.', '-fprintf', 'ran.txt', 'yes']],
  ['sort', ['-S', '1b', '--compress-program', 'sh', 'notes.txt']],
  ['sort', ['-S1b', '--compress-program=sh', 'notes.txt']],
  ['sort', ['-S1b', '--comp=sh', 'notes.txt']],
  ['sort', ['notes.txt', '-oran.txt']],
];

describe.skipIf(!isLinux)('a program with no listed options', () => {
  const programs = (bin: string) => ({
    rg: `${bin}/rg`,
    find: '/usr/bin/find',
    sort: '/usr/bin/sort',
    wc: '/usr/bin/wc',
  });

  test.each(attacks)('does not run what a model wrote: %s %j', async (program, given) => {
    const { run, files } = await open(programs);
    const answer = await run(program, given);
    expect(await files()).toEqual(['notes.txt']);
    expect(answer).toBe('this program takes no options: no argument may begin with -, + or @');
  });

  test.each([['-l'], ['-lw'], ['--lines'], ['--li'], ['--files0-from=notes.txt'], ['@notes.txt'], ['+1']])(
    'accepts no option in any spelling: %s',
    async (option) => {
      const { run } = await open(programs);
      for (const given of [[option], ['notes.txt', option], ['--', option]]) {
        expect(await run('wc', given)).toMatch(/^this program takes no options/);
      }
    },
  );

  test('works on files', async () => {
    const { run } = await open(programs);
    expect(await run('wc', ['notes.txt'])).toMatch(/^ran .*2001/);
    expect(await run('wc', ['--', './notes.txt'])).toMatch(/^ran .*2001/);
    expect(await run('rg', ['line', 'notes.txt'])).toContain('searched notes.txt');
  });
});

describe.skipIf(!isLinux)('a program with listed options', () => {
  const programs = () => ({
    wc: { path: '/usr/bin/wc', options: ['-l', '--words', '--total=never'] },
    cat: '/usr/bin/cat',
  });

  test('takes them as they are listed, and tells which they are', async () => {
    const { run, tool } = await open(programs);
    expect(await run('wc', ['-l', 'notes.txt'])).toContain('2001 notes.txt');
    expect(await run('wc', ['notes.txt', '-l', '--words'])).toMatch(/^ran /);
    const rule = 'takes these options and no others, each as an argument of its own: -l --words --total=never';
    expect(tool.description).toContain(`\nwc: this program ${rule}`);
    expect(tool.description).toContain('\ncat: this program takes no options');
    expect(await run('wc', ['-w', 'notes.txt'])).toBe(`this program ${rule}`);
  });

  test.each([
    ['-lw'],
    ['-l=w'],
    ['-l1'],
    ['--word'],
    ['--wordsx'],
    ['--total'],
    ['--total=always'],
    ['-'.repeat(3)],
    ['--=x'],
  ])('takes nothing that only resembles them: %s', async (option) => {
    const { run } = await open(programs);
    expect(await run('wc', [option, 'notes.txt'])).toMatch(/^this program takes these options/);
    expect(await run('wc', ['--', 'notes.txt', option])).toMatch(/^this program takes these options/);
  });

  test('takes a value for a long option behind its name, which names no file outside either', async () => {
    const { run } = await open(() => ({ head: { path: '/usr/bin/head', options: ['--lines', '-n'] } }));
    expect(await run('head', ['--lines=1', 'notes.txt'])).toContain('echo yes > ran.txt');
    expect(await run('head', ['-n', '1', 'notes.txt'])).toContain('echo yes > ran.txt');
    expect(await run('head', ['--lines=/etc/passwd'])).toMatch(/^arguments may only name files/);
  });
});

describe('programs of a configuration', () => {
  test('may be a path alone, or a path with options', () => {
    const loaded = load({
      wc: '/usr/bin/wc',
      sort: { path: '/usr/bin/sort', options: ['-r'] },
      cat: { path: '/bin/cat' },
    });
    expect(loaded.ok && loaded.config.tools.workspace.programs).toEqual({
      wc: { path: '/usr/bin/wc', options: [] },
      sort: { path: '/usr/bin/sort', options: ['-r'] },
      cat: { path: '/bin/cat', options: [] },
    });
  });

  test.each([
    '/bin/sh',
    '/usr/bin/python3',
    '/opt/python3.11',
    '/opt/node20',
    '/opt/perl5.36.0',
    '/usr/bin/awk',
    '/usr/bin/sed',
    '/usr/bin/env',
    '/usr/bin/xargs',
    '/usr/bin/tar',
    '/usr/bin/git',
    '/usr/bin/make',
    '/usr/bin/less',
    '/usr/bin/man',
    '/usr/bin/ssh',
    '/usr/bin/curl',
    '/opt/busybox',
    '/opt/sqlite3',
  ])('must not run code or other programs by design: %s', (path) => {
    for (const given of [path, { path }, { path, options: [] }]) {
      expect(problemsOf({ one: given })).toEqual([
        expect.stringMatching(
          /^tools\.workspace\.programs\.one\.path: runs code, other programs or network .*defineTool/,
        ),
      ]);
    }
    expect(problemsOf({ one: path }).join()).not.toContain(path);
  });

  test.skipIf(!isLinux)('are known behind a link of another name, unless one binary is many programs', async () => {
    const folder = await testFolder();
    await symlink('/bin/sh', join(folder, 'search'));
    expect(problemsOf({ search: join(folder, 'search') })).toEqual([expect.stringMatching(/runs code/)]);
    await writeFile(join(folder, 'busybox'), '');
    await symlink(join(folder, 'busybox'), join(folder, 'wc'));
    expect(problemsOf({ wc: join(folder, 'wc') })).toEqual([]);
  });

  test.each([
    ['rg', '--pre'],
    ['rg', '--pr'],
    ['rg', '--pre=cat'],
    ['rg', '--hostname-bin'],
    ['rg', '-nz'],
    ['find', '-exec'],
    ['find', '-okdir'],
    ['find', '-delete'],
    ['find', '-fprint0'],
    ['sort', '--compress'],
    ['sort', '-uo'],
    ['sort', '-T'],
    ['wc', '--files0-from'],
    ['zip', '-TT'],
  ])('must not list an option that starts programs, deletes or names files: %s %s', (name, option) => {
    expect(problemsOf({ one: { path: `/usr/bin/${name}`, options: ['-n', option] } })).toEqual([
      expect.stringMatching(/^tools\.workspace\.programs\.one\.options\.1: allows this program to start others/),
    ]);
  });

  test.each([
    ['c4n4ry', /one\.path: must be an absolute path$/],
    [7, /one\.path: is required$/],
    [{ options: [] }, /one\.path: is required$/],
    [{ path: '/bin/cat', option: ['-n'] }, /one\.option: is not a setting$/],
    [{ path: '/bin/cat', options: ['c4n4ry'] }, /one\.options\.0: must be an option as it is written/],
    [null, /one/],
  ])('are told apart from what is malformed, and not quoted: %j', (given, problem) => {
    const problems = problemsOf({ one: given });
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems.join()).not.toContain('c4n4ry');
  });
});
