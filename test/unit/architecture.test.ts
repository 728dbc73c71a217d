import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { parseSync } from '@swc/core';
import { cruise, type IModule } from 'dependency-cruiser';
import { beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** Rows of the table of `ARCHITECTURE.md` whose header starts with this cell, without the header. */
function rows(header: string): readonly string[][] {
  const lines = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header} |`));
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, start + length).map((line) => line.split('|').map((cell) => cell.trim()));
}

const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

/** Room → rooms it may import, besides itself. A room is the longest of these that a path starts with, or a file. */
const table: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  rows('room')
    .filter(([, , , imports]) => imports !== 'everything')
    .flatMap(([, room, , imports]) => quoted(room).map((name) => [name, quoted(imports)])),
);

/** Named in the table, it stands for the files of this name in every room. */
const SETTINGS = 'settings.ts';

/** Packages that only the named rooms may load. */
const packages: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  rows('package')
    .filter(([, , rooms]) => !rooms?.startsWith('everywhere'))
    .flatMap(([, names, rooms]) => quoted(names).map((name) => [name, quoted(rooms)])),
);

/** What the edge runs as well: no Node built-in but in `.node.ts` files. */
const portable =
  /^src\/(core|server|net\/jwt|scrub)\/|^src\/queue\/([^/]+|edge\/.*)$|^src\/channels\/([^/]+\.ts$|[^/]+\/((module|settings)\.ts|receive\/(verify|parse|payload)\.ts)$)/;

const roomOf = (path: string): string | undefined =>
  Object.keys(table)
    .filter((room) => isIn(room, path))
    .sort((a, b) => b.length - a.length)[0];

const isIn = (room: string, path: string): boolean => path === room || path.startsWith(`${room}/`);

let modules: readonly IModule[] = [];

beforeAll(async () => {
  // TypeScript 7 has no compiler API: without swc the cruiser would see no module at all and call that clean.
  const { output } = await cruise(['src'], {
    baseDir: root,
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules'] },
  });
  if (typeof output === 'string') throw new Error('the cruiser gave a report instead of modules');
  modules = output.modules.filter(({ source }) => source.startsWith('src/'));
});

test('the cruiser looked at every source file', () => {
  const files = sources('src').filter((file) => !file.endsWith('.d.ts'));
  expect(files.length).toBeGreaterThan(50);
  expect(
    modules
      .map(({ source }) => source)
      .filter((source) => /(?<!\.d)\.ts$/.test(source))
      .sort(),
  ).toEqual(files.sort());
});

test('every import follows the table', () => {
  const wrong = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ resolved }) => resolved.startsWith('src/') && !isAllowed(source, resolved))
      .map(({ resolved }) => `${source} → ${resolved}`),
  );
  expect(wrong).toEqual([]);
});

test('a settings file imports only zod, core, Node and other settings files', () => {
  // The command line's file of that name loads settings and declares none.
  const settings = modules.filter(({ source }) => source.endsWith(`/${SETTINGS}`) && !source.startsWith('src/cli/'));
  expect(settings.length).toBeGreaterThan(10);
  const wrong = settings.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(
        ({ resolved, module, coreModule }) => !coreModule && !resolved.startsWith('src/core/') && module !== 'zod',
      )
      .filter(({ resolved }) => !resolved.endsWith(`/${SETTINGS}`))
      .map(({ module }) => `${source} → ${module}`),
  );
  expect(wrong).toEqual([]);
});

test('nobody imports a composition root', () => {
  const importers = modules.filter(
    ({ source, dependencies }) =>
      !source.startsWith('src/app/') && dependencies.some(({ resolved }) => resolved.startsWith('src/app/')),
  );
  expect(importers.map(({ source }) => source)).toEqual([]);
});

test('no import runs in a circle', () => {
  const circles = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ circular, dependencyTypes }) => circular && !dependencyTypes.includes('type-only'))
      .map(({ resolved }) => `${source} → ${resolved}`),
  );
  expect(circles).toEqual([]);
});

test('drivers and SDKs are loaded only in their own rooms', () => {
  const wrong = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ module }) => packages[module] !== undefined)
      .filter(({ module }) => !packages[module]?.some((room) => source.startsWith(`${room}/`)))
      .map(({ module }) => `${source} → ${module}`),
  );
  expect(wrong).toEqual([]);
});

test('core imports no package but zod and what the table gives it, and portable files no Node built-in', () => {
  const wrong = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ coreModule }) => coreModule && portable.test(source) && !source.endsWith('.node.ts'))
      .map(({ module }) => `${source} → ${module}`),
  );
  const foreign = modules
    .filter(({ source }) => source.startsWith('src/core/'))
    .flatMap(({ dependencies }) => dependencies)
    .filter(({ resolved, module, coreModule }) => !resolved.startsWith('src/') && !coreModule && module !== 'zod')
    .filter(({ module }) => !packages[module]?.some((room) => room.startsWith('src/core/')));
  expect([...wrong, ...foreign.map(({ module }) => module)]).toEqual([]);
});

test('the environment is read only in composition roots', () => {
  const readers = sources('src').filter(
    (file) => !file.startsWith('src/app/') && /process\.env|loadEnvFile/.test(code(file)),
  );
  expect(readers).toEqual([]);
});

/** What knows one vendor for a reason of its own. */
const vendorsOwn: Readonly<Record<string, string>> = {
  'src/workers/agents/bolt/': "an adapter to Slack's own framework",
  'src/app/trusted-agent.node.ts': 'gives that adapter its way to Slack',
};

test('a channel uses local vendors only in what `send` and `dev` load', () => {
  const users = modules.filter(
    ({ source, dependencies }) =>
      source.startsWith('src/channels/') && dependencies.some(({ resolved }) => resolved.startsWith('src/testing/')),
  );
  expect(users.length).toBeGreaterThan(3);
  expect(users.map(({ source }) => source).filter((source) => !source.endsWith('sample.node.ts'))).toEqual([]);
  const loaders = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ resolved, dependencyTypes }) => {
        const isLoaded = !dependencyTypes.includes('type-only') && !dependencyTypes.includes('dynamic-import');
        return isLoaded && /^src\/channels\/[^/]+\/sample\.node\.ts$/.test(resolved);
      })
      .map(() => source),
  );
  expect(loaders).toEqual([]);
});

test('only its folder, the registries and the local vendors name a channel', () => {
  const names = readdirSync(join(root, 'src/channels'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
    .map((entry) => entry.name);
  expect(names.length).toBeGreaterThan(3);
  const own = [
    ...names.map((name) => `src/channels/${name}/`),
    'src/channels/registry.ts',
    'src/channels/registry.node.ts',
    'src/testing/',
  ];
  const naming = new RegExp(`(['"\`])(?:${names.join('|')})\\1|channels/(?:${names.join('|')})/`);
  const found = sources('src').filter(
    (file) => ![...own, ...Object.keys(vendorsOwn)].some((place) => file.startsWith(place)) && naming.test(code(file)),
  );
  expect(found).toEqual([]);
});

test('the tables are those of the code', () => {
  expect(Object.keys(table).length).toBeGreaterThan(15);
  expect(Object.keys(packages).length).toBeGreaterThan(10);
  const named = [...Object.keys(table), ...Object.values(table).flat(), ...Object.values(packages).flat()];
  const absent = named.filter((room) => room !== SETTINGS && !modules.some(({ source }) => isIn(room, source)));
  expect(absent).toEqual([]);
  const homeless = modules.filter(({ source }) => roomOf(source) === undefined).map(({ source }) => source);
  expect(homeless.filter((source) => !source.startsWith('src/app/'))).toEqual(['src/index.ts', 'src/lua.d.ts']);
});

test('no file is over 400 lines', () => {
  const lengths = sources('src').map((file) => ({ file, lines: read(file).split('\n').length - 1 }));
  expect(lengths.filter(({ lines }) => lines > 400)).toEqual([]);
});

/** Commands that talk to a gate's own door, as a vendor or an operator would, and to a local vendor. */
const visitors = [
  'src/cli/access.ts',
  'src/cli/edge-access.ts',
  'src/cli/commands/send.ts',
  'src/channels/gmail/sample.node.ts',
];

test('only `net` makes clients, and nobody else uses the global `fetch`', () => {
  const outside = sources('src').filter((file) => !/^src\/(net|testing)\//.test(file));
  const sending = outside.filter(
    (file) => globalsOf(file).has('fetch') || /globalThis\.fetch\b(?=\s*[(;,)])(?<!typeof .*)/.test(code(file)),
  );
  expect(sending.sort()).toEqual([...visitors].sort());
  const making = outside.filter((file) => /createGuardedFetch|\b(request|get) .* from 'node:https?'/.test(code(file)));
  expect(making).toEqual([]);
});

/** Names a file uses and does not bind: those of the language and the platform. */
function globalsOf(file: string): ReadonlySet<string> {
  const found = new Set<string>();
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    // The parser marks what it could not resolve to a binding with this context.
    if ('type' in node && node.type === 'Identifier' && 'ctxt' in node && node.ctxt === 1 && 'value' in node) {
      found.add(String(node.value));
    }
    for (const child of Object.values(node)) walk(child);
  };
  walk(parseSync(read(file), { syntax: 'typescript' }));
  return found;
}

test('URLs are read by `parseUrl`, which judges the same text the same way however often it is called', () => {
  expect(sources('src').filter((file) => /\bcanParse\b/.test(code(file)))).toEqual([]);
});

test('zod is imported as a namespace, because a bundle of its object holds every locale', () => {
  expect(sources('src').filter((file) => /import (type )?\{[^}]*\} from 'zod'/.test(read(file)))).toEqual([]);
});

test('no unit test replaces modules: others have loaded them already', () => {
  expect(sources('test/unit').filter((file) => /\bvi\.(mock|doMock|resetModules)\(/.test(code(file)))).toEqual([]);
});

test('signals are combined by `linkSignals`, which gives its parents back', () => {
  const combining = sources('src').filter((file) => /AbortSignal\.any\(/.test(code(file)));
  expect(combining).toEqual([]);
});

test('small records are written by one loop of compare and set', () => {
  const writers = sources('src').filter((file) => /\.compareAndSet\(/.test(code(file)));
  expect(writers).toEqual(['src/queue/records/collection.ts']);
});

test('nothing is left undone or untyped', () => {
  const marked = sources('src').filter((file) => /\b(TODO|FIXME|XXX)\b|@ts-ignore|@ts-nocheck/.test(read(file)));
  const untyped = sources('src').filter((file) => /\bas any\b|: any\b/.test(code(file)));
  expect([...marked, ...untyped]).toEqual([]);
});

function isAllowed(source: string, target: string): boolean {
  const from = roomOf(source);
  // Entries and the library's front may import everything.
  if (from === undefined) return true;
  const allowed = table[from] ?? [];
  if (allowed.includes(SETTINGS) && target.endsWith(`/${SETTINGS}`)) return true;
  const to = roomOf(target);
  return to !== undefined && (to === from || allowed.includes(to));
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Without comments, which may speak of what the code must not do. */
const code = (file: string): string => read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
