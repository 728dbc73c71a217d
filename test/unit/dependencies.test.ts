import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

/** A folder with a package.json and a lock file. */
function project(folder: string) {
  const { dependencies, devDependencies } = JSON.parse(read(`${folder}package.json`)) as Manifest;
  const text = read(`${folder}package-lock.json`);
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, LockEntry>> };
  return {
    direct: { ...dependencies, ...devDependencies },
    text,
    packages,
    /** Without the root, whose name is empty, and without links to folders: neither is downloaded. */
    downloaded: Object.entries(packages).filter(([path, { link }]) => path !== '' && link !== true),
  };
}

/** Of the product, and of what only tests use. */
const projects = [
  { folder: '', least: 300, ...project('') },
  { folder: 'test/tools/', least: 20, ...project('test/tools/') },
];

test.each(projects)('every package of the lock file of ./$folder has an integrity hash', ({ downloaded, least }) => {
  expect(downloaded.length).toBeGreaterThan(least);
  const unchecked = downloaded.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
  expect(unchecked.map(([path]) => path)).toEqual([]);
});

test.each(projects)('the lock file of ./$folder names no registry', ({ downloaded, text }) => {
  expect(downloaded.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  expect(text).not.toMatch(/https?:\/\/registry\./);
});

test.each(projects)(
  'every direct dependency of ./$folder is pinned to one version, in package.json and in the lock file alike',
  ({ direct, packages }) => {
    const unpinned = Object.entries(direct).filter(([, version]) => !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version));
    expect(unpinned).toEqual([]);
    const elsewhere = Object.entries(direct).filter(
      ([name, version]) => packages[`node_modules/${name}`]?.version !== version,
    );
    expect(elsewhere).toEqual([]);
  },
);

test('every direct dependency has a row in docs/dependencies.md, and every row a dependency', () => {
  const rows = read('docs/dependencies.md')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|')[1]?.trim() ?? '')
    .filter((names) => names !== 'package');
  const named = rows.flatMap((names) => names.split(/,\s*/));
  expect(named.sort()).toEqual(projects.flatMap(({ direct }) => Object.keys(direct)).sort());
});
