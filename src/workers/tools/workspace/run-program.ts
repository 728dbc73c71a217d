import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { defined } from '../../../core/defined.ts';

/** Sets limits the kernel keeps, then becomes the program (util-linux, a part of every Debian and Fedora). */
export const LIMITER = '/usr/bin/prlimit';

export interface ProgramLimits {
  /** Of the clock, in ms. */
  readonly timeoutMs: number;
  /** Of each process, in seconds. */
  readonly cpuSeconds: number;
  /** Of one file it writes. */
  readonly fileBytes: number;
  /** Of each of its two outputs; with more it is ended. */
  readonly outputBytes: number;
}

export interface ProgramStart {
  /** Absolute path, from the configuration. */
  readonly program: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly signal: AbortSignal;
}

export interface ProgramEnd {
  /** Null when it was ended: by a limit, or by itself with a signal. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly endedBy?: 'time' | 'output';
}

/** All a program learns of where it runs. */
const ENVIRONMENT = { PATH: '/usr/bin:/bin' };
const OPEN_FILES = 64;

/**
 * Runs a program with its arguments as they are, without a shell, an input or our environment, in a process group of its
 * own that is killed when the program ends, whatever it started. @throws the signal's reason; Error when it cannot start
 */
export async function runProgram(start: ProgramStart, limits: ProgramLimits): Promise<ProgramEnd> {
  const { program, folder, signal } = start;
  signal.throwIfAborted();
  const cap = [`--cpu=${limits.cpuSeconds}`, `--fsize=${limits.fileBytes}`, `--nofile=${OPEN_FILES}`, '--core=0'];
  const child = spawn(LIMITER, [...cap, '--', program, ...start.arguments], {
    cwd: folder,
    env: ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    shell: false,
  });
  let endedBy: ProgramEnd['endedBy'];
  const end = (why?: ProgramEnd['endedBy']): void => {
    endedBy ??= why;
    killGroup(child);
  };
  const onAbort = (): void => end();
  const timer = setTimeout(() => end('time'), limits.timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const outputs = [child.stdout, child.stderr].map((stream) =>
      collect(stream, limits.outputBytes, () => end('output')),
    );
    const exitCode = await exitOf(child);
    signal.throwIfAborted();
    // What it left behind may hold the pipes open for ever.
    end();
    const [stdout = '', stderr = ''] = outputs.map((output) => output());
    return { exitCode, stdout, stderr, ...defined({ endedBy }) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    end();
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** How long outputs may still arrive after the program has ended, in ms: what it wrote is in the pipe by then. */
const DRAIN_MS = 200;

/** When both outputs are read to their end, or soon after the program ended. */
function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
    child.once('exit', (code) => {
      killGroup(child);
      setTimeout(() => resolve(code), DRAIN_MS);
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

function collect(stream: Readable, maxBytes: number, onTooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    if (bytes < maxBytes) chunks.push(chunk.subarray(0, maxBytes - bytes));
    bytes += chunk.length;
    if (bytes > maxBytes) onTooMuch();
  });
  return () => new TextDecoder().decode(Buffer.concat(chunks));
}
