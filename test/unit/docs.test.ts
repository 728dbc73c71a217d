import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { generated } from '../../scripts/api.ts';
import { withSettings, withTables } from '../../scripts/configuration.ts';
import { withErrors } from '../../scripts/errors.ts';
import { edgeMetrics, withMetrics } from '../../scripts/metrics.ts';
import { upgradingPage } from '../../scripts/upgrading.ts';
import { allVariables } from '../../src/config/environment.ts';
import { errorCodes } from '../../src/core/errors.ts';
import { scopeMeanings } from '../../src/core/scope.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

test('every test that ARCHITECTURE.md names exists, and every invariant names one', () => {
  const text = read('ARCHITECTURE.md');
  const named = [...text.matchAll(/`(test\/[^`]+\.ts)`/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  const invariants = text.split('\n').filter((line) => /^\| I\d+ /.test(line));
  expect(invariants.filter((line) => !line.includes('`test/'))).toEqual([]);
});

test('every file and test that docs/security-controls.md names exists, and every row names both and its gap', () => {
  const rows = read('docs/security-controls.md')
    .split('\n')
    .filter((line) => /^\| (?!risk )/.test(line));
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const [, , control = '', files = '', tests = '', gap = ''] = row.split('|').map((cell) => cell.trim());
    expect(control && gap, row).not.toBe('');
    for (const cell of [files, tests]) {
      const named = [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
      expect(named.length, row).toBeGreaterThan(0);
      expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    }
    expect(tests, row).toMatch(/^`test\//);
  }
});

test('every setting is documented', () => {
  const text = read('docs/configuration.md');
  expect(Object.keys(allVariables.paths).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

test('the tables of the configuration are those that `npm run docs:configuration` writes', () => {
  const text = read('docs/configuration.md');
  expect(text, 'docs/configuration.md is stale: run `npm run docs:configuration`').toBe(withTables(text));
});

test('the tables of codes, causes and remedies are those that `npm run docs:errors` writes', () => {
  const text = read('docs/errors.md');
  expect(text, 'docs/errors.md is stale: run `npm run docs:errors`').toBe(withErrors(text));
});

test('the tables of the metrics are those that `npm run docs:metrics` writes', () => {
  const text = read('docs/metrics.md');
  expect(text, 'docs/metrics.md is stale: run `npm run docs:metrics`').toBe(withMetrics(text));
  const names = [...read('src/app/edge/metrics.ts').matchAll(/'(sallyport_\w+)'/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(5);
  expect(edgeMetrics.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
});

test('the values of the Helm chart know the settings that `npm run docs:configuration` writes', () => {
  const file = 'deploy/helm/sallyport/values.schema.json';
  const text = read(file);
  expect(text, `${file} is stale: run \`npm run docs:configuration\``).toBe(withSettings(text));
});

test('every value of the Helm chart is documented with its default, and no other', () => {
  const defaults = valuesOf(parse(read('deploy/helm/sallyport/values.yaml')));
  const rows = [...read('docs/kubernetes.md').matchAll(/^\| `([a-zA-Z.]+)` \| `(.+?)` \| .+ \|$/gm)];
  expect(rows.map(([, name, value]) => [name, value])).toEqual(defaults);
});

/** Paths of values that are not made of others, each with its default as JSON. */
function valuesOf(value: unknown, path = ''): [string, string][] {
  const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
  const children = isBranch ? Object.entries(value) : [];
  if (children.length === 0) return [[path, JSON.stringify(value)]];
  return children.flatMap(([name, child]) => valuesOf(child, path === '' ? name : `${path}.${name}`));
}

test('docs/api.md and the types of the API are those that `npm run docs:api` writes', async () => {
  for (const { file, is, mustBe } of await generated())
    expect(is, `${file} is stale: run \`npm run docs:api\``).toBe(mustBe);
});

test('docs/upgrading.md is what `npm run docs:upgrading` writes: every change of CHANGELOG.md, and nothing else', () => {
  const page = read('docs/upgrading.md');
  expect(page, 'docs/upgrading.md is stale: run `npm run docs:upgrading`').toBe(upgradingPage(read('CHANGELOG.md')));
  expect(page.match(/^- \*\*/gm)?.length).toBeGreaterThan(20);
  expect(page).not.toContain('## Added');
});

describe.each([
  ['docs/questionnaire.md', /^(?=## \d+\. )/m, 25],
  ['docs/faq.md', /^(?=\*\*)/m, 20],
] as const)('%s', (page, start, least) => {
  const answers = read(page).split(start).slice(1);

  test(`has at least ${least} questions, each with an answer`, () => {
    expect(answers.length).toBeGreaterThanOrEqual(least);
    const [, end] = page === 'docs/faq.md' ? ['', '**'] : ['', '\n'];
    for (const answer of answers) {
      const body = answer.slice(answer.indexOf(end, 2) + end.length).trim();
      expect(answer.slice(0, answer.indexOf(end, 2)), answer).toMatch(/[?.]$/);
      expect(body.split(/\s+/).length, answer).toBeGreaterThan(12);
      if (page === 'docs/questionnaire.md') expect(body, answer).toMatch(/\]\((?!https?:)/);
    }
  });

  test('links to files and headings that exist', () => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(10);
    for (const [link, file = '', heading] of links) {
      const path = file === '' ? page : join('docs', file);
      expect(existsSync(join(root, path)), link).toBe(true);
      if (heading !== undefined) expect(headingsOf(read(path)), link).toContain(heading);
    }
  });
});

/** Anchors as GitHub makes them, and those that a page sets itself. */
const headingsOf = (text: string): string[] => [
  ...[...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  ),
  ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id),
];

test('the README stays short and shows the two commands', () => {
  const text = read('README.md');
  expect(text.split('\n').length).toBeLessThanOrEqual(150);
  expect(text).toContain('npm install && npm start');
  expect(text).toContain('npm run setup && npm test');
});

test('every scope is documented with its meaning, and no other', () => {
  const rows = [...read('docs/tokens.md').matchAll(/^\| `([a-z]+:[a-z]+)` \| (.+) \|$/gm)];
  expect(Object.fromEntries(rows.map(([, scope, meaning]) => [scope, meaning]))).toEqual(scopeMeanings);
});

test('error codes are unique and in one form', () => {
  expect(new Set(errorCodes).size).toBe(errorCodes.length);
  expect(errorCodes.filter((code) => !/^ERR_[A-Z]+(_[A-Z]+)*$/.test(code))).toEqual([]);
});
