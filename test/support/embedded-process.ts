import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { silentLogger } from '../../src/core/logger.ts';
import { type EmbeddedStoreOptions, openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { endWithParent } from './children.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const JITI = join(ROOT, 'node_modules', 'jiti', 'lib', 'jiti-cli.mjs');
const CHILD = join(ROOT, 'test', 'support', 'embedded-child.ts');

/** Another process on the data file, and what it has said so far. */
export interface EmbeddedProcess {
  readonly pid: number | undefined;
  readonly facts: readonly string[];
  /** What followed that word, in order. */
  said(word: string): string[];
  kill(): Promise<void>;
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<unknown>;
}

/** `shell` runs before the process in its shell, e.g. to set limits. */
export function startEmbedded(mode: 'accept' | 'insist' | 'work', path: string, shell = 'true'): EmbeddedProcess {
  const child: ChildProcess = spawn(
    'bash',
    ['-c', `${shell}; exec "$@"`, 'bash', process.execPath, JITI, CHILD, mode, path],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(endWithParent(child), 'close');
  const facts: string[] = [];
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => facts.push(line));
  return {
    pid: child.pid,
    facts,
    said: (word) => facts.filter((fact) => fact.startsWith(`${word} `)).map((fact) => fact.slice(word.length + 1)),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    ended,
  };
}

/** A folder for one data file, gone after the test. */
export async function withDataFile(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-embedded-'));
  try {
    await use(join(folder, 'data', 'store.db'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

export const openAt = (path: string, overrides: Partial<EmbeddedStoreOptions> = {}): Promise<Store> =>
  openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger, ...overrides });
