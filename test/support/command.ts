import { spawn } from 'node:child_process';
import { join } from 'node:path';
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

/** Runs the built binary to its end, as an operator's shell does. */
export function sallyport(
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
