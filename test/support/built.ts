import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

const root = join(import.meta.dirname, '..', '..');
const bundle = join(root, 'dist', 'cli.js');
const lock = join(root, 'node_modules', '.sallyport-build-lock');

/** A build takes half a second; a lock this old was left behind by a process that was killed. */
const STALE_MS = 30_000;

let built: Promise<void> | undefined;

/** Makes `dist/` match `src/`. Test files run in processes of their own: the first builds, the others wait for it. */
export function ensureBuilt(): Promise<void> {
  built ??= build();
  return built;
}

async function build(): Promise<void> {
  const isBuilt = (): boolean => {
    if (isFresh()) return true;
    if (!takeLock()) return false;
    try {
      if (!isFresh()) run();
    } finally {
      rmdirSync(lock);
    }
    return isFresh();
  };
  await until('the bundle is built', isBuilt, { everyMs: 50 });
  // A bundle that looks fresh may still be being written.
  await until('the bundle is written', () => !isLocked());
}

function run(): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.js'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build failed: ${stderr}`);
}

function takeLock(): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    if (!isLocked()) return false;
    if (Date.now() - statSync(lock).mtimeMs > STALE_MS) rmdirSync(lock);
    return false;
  }
}

const timeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const isLocked = (): boolean => timeOf(lock) !== 0;

function isFresh(): boolean {
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  const newest = Math.max(...sources.map((entry) => timeOf(join(entry.parentPath, entry.name))));
  return timeOf(bundle) > newest;
}
