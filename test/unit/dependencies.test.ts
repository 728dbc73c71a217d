import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface LockEntry {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const direct = { ...manifest.dependencies, ...manifest.devDependencies };
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, LockEntry>> };
/** Without the root, whose name is empty, and without links to folders: neither is downloaded. */
const downloaded = Object.entries(packages).filter(([path, { link }]) => path !== '' && link !== true);

test('every package of the lock file has an integrity hash', () => {
  expect(downloaded.length).toBeGreaterThan(300);
  const unchecked = downloaded.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
  expect(unchecked.map(([path]) => path)).toEqual([]);
});

test('the lock file names no registry', () => {
  expect(downloaded.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  expect(read('package-lock.json')).not.toMatch(/https?:\/\/registry\./);
});

test('every direct dependency is pinned to one version, in package.json and in the lock file alike', () => {
  expect(Object.entries(direct).filter(([, version]) => !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))).toEqual(
    [],
  );
  const locked = packages as Readonly<Record<string, LockEntry & { readonly version?: string }>>;
  const elsewhere = Object.entries(direct).filter(
    ([name, version]) => locked[`node_modules/${name}`]?.version !== version,
  );
  expect(elsewhere).toEqual([]);
});

test('every direct dependency has a row in docs/dependencies.md, and every row a dependency', () => {
  const rows = read('docs/dependencies.md')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|')[1]?.trim() ?? '')
    .filter((names) => names !== 'package');
  const named = rows.flatMap((names) => names.split(/,\s*/));
  expect(named.sort()).toEqual(Object.keys(direct).sort());
});
