import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.js';
import { bundlesIn } from './reading/bundles.ts';
import { filesOfJourney } from './reading/journey.ts';
import { readSource, type SourceFile } from './reading/source.ts';

// How much there is to read, counted in the checkout (docs/testing.md says what is counted). `npm run measure:reading`; with
// `-- --json` as one object; with `-- --names` with the names of what was counted.

/** Files that a folder may hold before it counts as crowded. */
const CROWDED = 12;
/** Lines under which a module with one importer is hardly worth a file of its own. */
const SMALL = 25;

interface Figure {
  readonly what: string;
  readonly count: number;
  readonly names?: readonly string[];
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, names: { type: 'boolean' } } });
const root = join(import.meta.dirname, '..');
const files = readSource(root);
const figures = { ...journey(await filesOfJourney(root)), ...composition(), ...modules(), ...size() };

if (values.json) {
  const plain = ([key, { count, names }]: [string, Figure]) => [key, values.names ? { count, names } : count];
  console.log(JSON.stringify(Object.fromEntries(Object.entries(figures).map(plain)), null, 2));
} else {
  console.log('| what | count |\n| --- | ---: |');
  for (const { what, count } of Object.values(figures)) console.log(`| ${what} | ${count.toLocaleString('en')} |`);
  for (const { what, names } of values.names ? Object.values(figures) : []) {
    if (names !== undefined) console.log(`\n${what}\n  ${names.join('\n  ')}`);
  }
}
// Connections that the local servers left behind would keep the process alive.
process.exit(0);

function journey(passed: readonly string[]): Record<string, Figure> {
  return {
    journeyFiles: { what: 'files that a Slack message passes until its reply is posted', ...named(passed) },
    journeyLines: { what: 'lines of these files', count: linesOf(passed.flatMap((path) => files.get(path) ?? [])) },
  };
}

/** The folder of the entry point that the build calls `cli`. */
function composition(): Record<string, Figure> {
  const folder = dirname(bundle.entryPoints.cli ?? '');
  const members = [...files.values()].filter(({ path }) => path.startsWith(`${folder}/`));
  const arrows = members.flatMap(({ path, imports }) =>
    [...imports].filter((to) => to.startsWith(`${folder}/`)).map((to) => `${path} → ${to}`),
  );
  return {
    compositionFiles: { what: `files of the composition root (${folder})`, ...named(members.map(({ path }) => path)) },
    compositionArrows: { what: 'imports among them', ...named(arrows) },
  };
}

function modules(): Record<string, Figure> {
  const importers = new Map<string, number>();
  for (const { imports } of files.values()) {
    for (const to of imports) importers.set(to, (importers.get(to) ?? 0) + 1);
  }
  const entries = Object.values(bundle.entryPoints);
  // What is named by its place: an index stands for its folder, and settings are found by the name.
  const isNamed = (path: string) => entries.includes(path) || /^(index|settings)\.ts$/.test(basename(path));
  const single = [...files.values()].filter(
    ({ path, tree }) => tree !== undefined && importers.get(path) === 1 && !isNamed(path),
  );
  return {
    bundles: { what: 'types that only bundle collaborators', ...named(bundlesIn(files)) },
    singleImporter: { what: 'modules with exactly one importer', ...named(single.map(({ path }) => path)) },
    smallSingleImporter: {
      what: `of these, under ${SMALL} lines`,
      ...named(single.filter(({ lines }) => lines < SMALL).map(({ path }) => path)),
    },
  };
}

function size(): Record<string, Figure> {
  const folders = new Map<string, number>();
  for (const path of files.keys()) folders.set(dirname(path), (folders.get(dirname(path)) ?? 0) + 1);
  const crowded = [...folders].filter(([, count]) => count > CROWDED).map(([path, count]) => `${path} (${count})`);
  const scripts = [...files.values()].filter(({ tree }) => tree !== undefined);
  return {
    crowdedFolders: { what: `folders with more than ${CROWDED} files`, ...named(crowded) },
    typeScriptFiles: { what: 'TypeScript files', count: scripts.length },
    typeScriptLines: { what: 'lines of TypeScript', count: linesOf(scripts) },
    otherFiles: { what: 'other files', count: files.size - scripts.length },
    otherLines: { what: 'lines of these', count: linesOf([...files.values()]) - linesOf(scripts) },
  };
}

function named(names: readonly string[]): Pick<Figure, 'count' | 'names'> {
  return { count: names.length, names };
}

function linesOf(some: readonly SourceFile[]): number {
  return some.reduce((sum, { lines }) => sum + lines, 0);
}
