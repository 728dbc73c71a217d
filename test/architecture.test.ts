import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { cruise, type IModule } from 'dependency-cruiser';
import { beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Room → rooms it may import, besides itself. A room is the longest of these that a path starts with. */
const table: Readonly<Record<string, readonly string[]>> = {
  'src/core': [],
  'src/config': ['src/core'],
  'src/jwt': ['src/core'],
  'src/scrub': ['src/core'],
  'src/queue': ['src/core'],
  'src/queue/redis': ['src/core', 'src/queue'],
  'src/queue/embedded': ['src/core', 'src/queue'],
  'src/channels': ['src/core'],
  'src/channels/markdown': ['src/core'],
  'src/channels/slack': ['src/core', 'src/channels', 'src/channels/markdown', 'src/scrub'],
  'src/channels/graph': ['src/core', 'src/channels', 'src/channels/markdown', 'src/jwt', 'src/queue', 'src/scrub'],
  'src/channels/teams': ['src/core', 'src/channels', 'src/channels/markdown', 'src/jwt', 'src/queue', 'src/scrub'],
  'src/channels/gmail': ['src/core', 'src/channels', 'src/channels/markdown', 'src/jwt', 'src/queue', 'src/scrub'],
  'src/ingress': ['src/core', 'src/channels', 'src/queue', 'src/scrub'],
  'src/workers': ['src/core', 'src/channels', 'src/queue', 'src/scrub', 'src/workers/outbound'],
  'src/workers/outbound': ['src/core'],
  'src/control': ['src/core', 'src/jwt', 'src/queue', 'src/ingress'],
  'src/ops': ['src/core', 'src/queue', 'src/ingress'],
  'src/testing': ['src/core', 'src/jwt'],
  'src/cli': ['src/core', 'src/config', 'src/scrub', 'src/testing', 'src/workers/outbound'],
};

/** Packages that only the named rooms or files may load. */
const packages: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['src/queue/redis'],
  ioredis: ['src/queue/redis'],
  libsql: ['src/queue/embedded'],
  '@slack/bolt': ['src/channels/slack', 'src/workers/agent/bolt'],
  'googleapis/build/src/apis/gmail/index.js': ['src/channels/gmail'],
  pino: ['src/ops'],
  'prom-client': ['src/ops'],
  commander: ['src/cli'],
  marked: ['src/channels/markdown'],
  undici: ['src/workers/outbound'],
  ai: ['src/workers'],
  standardwebhooks: ['src/workers/agent/http', 'src/testing'],
  '@pydantic/genai-prices': ['src/workers/budget'],
};

/** What the edge runs as well: no Node built-in but in `.node.ts` files. */
const portable =
  /^src\/(core|ingress|jwt|scrub)\/|^src\/queue\/[^/]+$|^src\/channels\/(channel|[^/]+\/(index|verify|parse|payload))\.ts$/;

const roomOf = (path: string): string | undefined =>
  Object.keys(table)
    .filter((room) => path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];

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

test('nobody imports a composition root', () => {
  const importers = modules.filter(
    ({ source, dependencies }) =>
      !source.startsWith('src/entries/') && dependencies.some(({ resolved }) => resolved.startsWith('src/entries/')),
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

test('core imports no package but zod, and portable files no Node built-in', () => {
  const wrong = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ coreModule }) => coreModule && portable.test(source) && !source.endsWith('.node.ts'))
      .map(({ module }) => `${source} → ${module}`),
  );
  const foreign = modules
    .filter(({ source }) => source.startsWith('src/core/'))
    .flatMap(({ dependencies }) => dependencies)
    .filter(({ resolved, module, coreModule }) => !resolved.startsWith('src/') && !coreModule && module !== 'zod');
  expect([...wrong, ...foreign.map(({ module }) => module)]).toEqual([]);
});

test('the environment is read only in composition roots', () => {
  const readers = sources('src').filter(
    (file) => !file.startsWith('src/entries/') && /process\.env|loadEnvFile/.test(code(file)),
  );
  expect(readers).toEqual([]);
});

test('files stay small: none over 400 lines, composition roots 60, the median 90', () => {
  const lengths = sources('src').map((file) => ({ file, lines: read(file).split('\n').length - 1 }));
  expect(lengths.filter(({ lines }) => lines > 400)).toEqual([]);
  expect(lengths.filter(({ file, lines }) => file.startsWith('src/entries/') && lines > 60)).toEqual([]);
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(90);
});

test('signals are combined by `linkSignals`, which gives its parents back', () => {
  const combining = sources('src').filter((file) => /AbortSignal\.any\(/.test(code(file)));
  expect(combining).toEqual([]);
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
  const to = roomOf(target);
  return to !== undefined && (to === from || (table[from]?.includes(to) ?? false));
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Without comments, which may speak of what the code must not do. */
const code = (file: string): string => read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
