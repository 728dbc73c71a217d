import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ensureBuilt } from '../../support/built.ts';
import { endWithParent } from '../../support/children.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';

const folder = tmpdir();

beforeAll(ensureBuilt);

const run = (...args: string[]) => sallyport(args, { folder });

/** The commands a help page lists. */
function listed(help: string): string[] {
  const lines = help.split('\nCommands:\n')[1]?.split('\n\n')[0]?.split('\n') ?? [];
  return lines.flatMap((line) => /^ {2}([a-z][a-z-]*)/.exec(line)?.[1] ?? []).filter((name) => name !== 'help');
}

test('every command has --help, on standard output, and every page names its own command', async () => {
  const seen: string[] = [];
  const visit = async (path: string[]): Promise<void> => {
    const { code, out, err } = await run(...path, '--help');
    expect([path, code, err]).toEqual([path, 0, '']);
    expect(out).toMatch(new RegExp(`^Usage: ${['sallyport', ...path].join(' ')}( |$)`, 'm'));
    seen.push(path.join(' '));
    for (const name of listed(out)) await visit([...path, name]);
  };
  await visit([]);
  const known = [
    ...['dev', 'ingress', 'worker', 'all', 'doctor', 'token', 'keygen', 'check-url'],
    ...['send', 'send slack', 'events', 'events list', 'events show', 'events redrive', 'events park'],
  ];
  expect(seen).toEqual(expect.arrayContaining(known));
});

test('without arguments it prints its help and fails as bad usage', async () => {
  const { code, out, err } = await sallyportProcess([], { folder });
  expect([code, err]).toEqual([2, '']);
  expect(out).toMatch(/^Usage: sallyport/);
});

test('a reader that closes the pipe early gets no stack trace', async () => {
  const binary = join(import.meta.dirname, '..', '..', '..', 'bin', 'sallyport.js');
  const child = endWithParent(spawn(process.execPath, [binary, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  child.stdout.destroy();
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(err).toBe('');
});

test('--version prints the version of the package', async () => {
  const manifest = JSON.parse(await readFile(join(import.meta.dirname, '..', '..', '..', 'package.json'), 'utf8'));
  expect(await sallyportProcess(['--version'], { folder })).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
});

test('a command of several prints them when none is named', async () => {
  const { code, out, err } = await run('send');
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain('\n  slack [options]');
});

test('a misspelt command is told with the one that was meant', async () => {
  expect((await run('event')).err).toBe("error: unknown command 'event'\n(Did you mean events?)\n");
});

test.each([
  ['frob'],
  ['--frob'],
  ['dev --frob'],
  ['dev extra'],
  ['all --port x'],
  ['dev --port 65536'],
  ['events frob'],
  ['events show'],
  ['events list --limit'],
  ['events redrive ev_1 ev_2'],
  ['send telegram'],
  ['send slack --tamper sideways'],
  ['send slack --times 0'],
  ['send slack --times many'],
  ['send slack --concurrency -1'],
  ['send slack --tenant ../x'],
  ['send slack --url nowhere'],
  ['send slack --file missing.json'],
  ['token'],
  ['token --scope events:read --ttl soon'],
  ['token --scope events:read --ttl 0s'],
  ['token --scope events:read --tenant A/B'],
  ['keygen --frob'],
  ['doctor --frob'],
])('bad usage ends with 2 and one line that says what is wrong: %s', async (line) => {
  const { code, out, err } = await run(...line.split(' '));
  expect([code, out]).toEqual([2, '']);
  expect(err).toMatch(/^.{5,200}\n(\(Did you mean .{2,40}\?\)\n)?$/);
});
