import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { parseEnv } from 'node:util';
import { runCommandLine } from '../../src/cli/program.ts';
import { endWithParent } from './children.ts';

const binary = join(import.meta.dirname, '..', '..', 'bin', 'sallyport.js');

export interface CommandOptions {
  /** Working folder. */
  readonly folder: string;
  /** The whole environment, besides PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input; none otherwise. */
  readonly input?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Longer than any command of a test takes on a loaded machine; tests run several of them. */
const TIMEOUT_MS = 60_000;

const examine = async () => (await import('../../src/app/doctor.node.ts')).examine;
const storeCopies = async () => (await import('../../src/app/store-copies.node.ts')).storeCopies;
const storeCounts = async () => (await import('../../src/app/support.node.ts')).storeCounts;
const notHere = (): Promise<never> => Promise.reject(new Error('a role needs a process: use sallyportProcess'));
const roles = { ingress: notHere, worker: notHere, all: notHere, dev: notHere, examine, storeCopies, storeCounts };

/**
 * Runs a command to its end in this process, which spares the 0.7 s of processor time that a start costs. Roles cannot be
 * started so; their configuration can be refused.
 */
export async function sallyport(
  args: readonly string[],
  { folder, environment = {}, input = '' }: CommandOptions,
): Promise<Finished> {
  const file = await readFile(join(folder, '.env'), 'utf8').catch(() => '');
  const given: Record<string, string> = { ...parseEnv(file), PATH: process.env.PATH ?? '', ...environment };
  // This process has another working folder.
  if (given.SALLYPORT_REDIS_URL === undefined)
    given.SALLYPORT_DATA_DIR = resolve(folder, given.SALLYPORT_DATA_DIR || '.sallyport');
  let out = '';
  let err = '';
  const write = (text: string): void => {
    out += text;
  };
  const code = await runCommandLine(
    args,
    {
      environment: given,
      folder,
      input: Readable.from(input === '' ? [] : [Buffer.from(input)]),
      write,
      print: (text) => write(`${text}\n`),
      complain: (text) => {
        err += `${text}\n`;
      },
    },
    async () => roles,
    '0.0.0',
  );
  return { code, out, err };
}

/** Runs the built binary to its end, as an operator's shell does. */
export function sallyportProcess(
  args: readonly string[],
  { folder, environment = {}, input = '' }: CommandOptions,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [binary, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    endWithParent(child);
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    // A command that does not read its input may have ended before all of it is written.
    child.stdin.on('error', () => {}).end(input);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}
