import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import Database from 'libsql';
import { expect, onTestFinished, test } from 'vitest';
import type * as z from 'zod';
import { ensureBuilt } from '../support/built.ts';
import { freshKeys } from '../support/campaign.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { testWith } from '../support/needs.ts';
import { settingsOf } from '../support/public-settings.ts';
import { declaredExports, exported, journalSteps, logEvents, redisKeys } from '../support/public-sources.ts';
import { startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * Programs, dashboards and stores of operators hold these names. A line that goes or changes breaks one of them; a new
 * line is a promise.
 */
async function hold(what: string, lines: readonly string[]): Promise<void> {
  expect(lines.length, `nothing was found: ${what}`).toBeGreaterThan(0);
  await holdText(what, `${[...new Set(lines)].toSorted().join('\n')}\n`);
}

async function holdText(what: string, text: string): Promise<void> {
  const file = join(root, 'test', 'fixtures', 'public', `${what}.txt`);
  if (process.env.UPDATE_PUBLIC === '1') await writeFile(file, text);
  const held = await readFile(file, 'utf8').catch(() => '');
  expect(
    text.split('\n'),
    `the public interface differs from test/fixtures/public/${what}.txt; if that is meant, say so in CHANGELOG.md and ` +
      'write the file anew: UPDATE_PUBLIC=1 npx vitest run test/journey/public-interface.test.ts',
  ).toEqual(held.split('\n'));
}

test.each([
  ['exports', 'index'],
  ['exports-testing', 'testing'],
])('%s: what programs import', async (what, entry) => {
  await ensureBuilt();
  const source = entry === 'index' ? 'src/index.ts' : `src/${entry}/index.ts`;
  const names = declaredExports(source);
  const module: object = await import(/* @vite-ignore */ join(root, 'dist', `${entry}.js`));
  const values = names.filter((name) => !name.startsWith('type '));
  expect(Object.keys(module).toSorted()).toEqual(values.toSorted());
  await hold(what, names);
});

test('settings: places, defaults and names in the environment', async () => {
  const schema = await exported<z.core.$ZodType>('configSchema');
  const { paths } = await exported<{ readonly paths: Readonly<Record<string, readonly string[]>> }>('allVariables');
  await hold('settings', settingsOf(schema, paths));
});

test('commands: the help of each', async () => {
  await ensureBuilt();
  const folder = await testFolder();
  const pages = new Map<string, string>();
  let next: string[][] = [[]];
  while (next.length > 0) {
    const found = await Promise.all(
      next.map(async (command) => {
        const { code, out, err } = await sallyport([...command, '--help'], { folder });
        expect({ command, code, err }).toEqual({ command, code: 0, err: '' });
        pages.set(['sallyport', ...command].join(' '), out);
        const [, list = ''] = /^Commands:\n((?: {2}.*\n?)+)/m.exec(out) ?? [];
        return [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => [...command, name]);
      }),
    );
    next = found.flat().filter((command) => command.at(-1) !== 'help');
  }
  expect(pages.size).toBeGreaterThan(10);
  const texts = [...pages].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, out]) => `$ ${name} --help\n${out}`);
  await holdText('help', texts.join('\n'));
});

test('error codes and their statuses of the API', async () => {
  const codes = await exported<readonly string[]>('errorCodes');
  const statusOf = await exported<(code: string) => number>('statusOf');
  await hold(
    'error-codes',
    codes.map((code) => `${code} ${statusOf(code)}`),
  );
});

test('log events and their levels', () => hold('log-events', logEvents()));

test('audit actions', async () => hold('audit-actions', await exported<readonly string[]>('auditActions')));

test('steps of the journal', () => hold('journal-steps', journalSteps()));

const environmentOf = (folder: string) => ({
  ...freshKeys(),
  SALLYPORT_DATA_DIR: join(folder, 'data'),
  SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics',
  // Nothing listens there: what is posted comes to nothing.
  SLACK_API_URL: 'http://127.0.0.1:9/api/',
  LOG_LEVEL: 'warn',
});

async function startedRole(options: Parameters<typeof startRole>[0]): Promise<RoleProcess> {
  const role = await startRole(options);
  onTestFinished(() => role.kill());
  return role;
}

test('metrics and their labels', async () => {
  const folder = await testFolder();
  const found = join(folder, 'metrics');
  const library = pathToFileURL(join(root, 'package.json')).href;
  await writeFile(
    join(folder, 'listen.mjs'),
    `import { appendFileSync } from 'node:fs';
    import { createRequire } from 'node:module';
    const { Registry } = createRequire('${library}')('prom-client');
    const { registerMetric } = Registry.prototype;
    Registry.prototype.registerMetric = function (metric) {
      const { name, labelNames = [], constructor } = metric;
      appendFileSync('${found}', [name, constructor.name.toLowerCase(), ...labelNames].join(' ') + '\\n');
      return registerMetric.call(this, metric);
    };`,
  );
  const listen = { NODE_OPTIONS: `--import=${pathToFileURL(join(folder, 'listen.mjs')).href}` };
  await startedRole({ role: 'all', environment: { ...environmentOf(folder), ...listen }, folder });
  // The others are of the library, and differ by platform.
  const metrics = (await readFile(found, 'utf8')).split('\n').filter((line) => line.startsWith('sallyport_'));
  await hold('metrics', metrics);
});

test('tables and columns of the data file', async () => {
  const folder = await testFolder();
  const environment = environmentOf(folder);
  const role = await startedRole({ role: 'all', environment, folder });
  await role.stop();
  const [name = ''] = (await readdir(environment.SALLYPORT_DATA_DIR)).filter((file) => file.endsWith('.db'));
  const database = new Database(join(environment.SALLYPORT_DATA_DIR, name), { readonly: true });
  onTestFinished(() => void database.close());
  const columns = database
    .prepare(
      `SELECT t.name || '.' || c.name || ' ' || c.type || iif(c.pk > 0, ' key ' || c.pk, '') || iif(c."notnull", ' not null', '')
       AS line FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'`,
    )
    .all() as { line: string }[];
  const others = database
    .prepare(
      `SELECT type || ' ' || name || ' on ' || tbl_name AS line FROM sqlite_schema WHERE type <> 'table' AND sql <> ''`,
    )
    .all() as { line: string }[];
  const [version = {}] = database.pragma('user_version') as Record<string, number>[];
  await hold('data-file', [
    `file ${name}`,
    `version ${version.user_version}`,
    ...[...columns, ...others].map(({ line }) => line),
  ]);
});

testWith('redis-server', 'redis-cli')('keys and queues in Redis', async () => {
  const keys = redisKeys();
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-public-'));
  const redis = await startRedis();
  const client = new Redis(redis.url);
  onTestFinished(async () => {
    client.disconnect();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const environment = { ...environmentOf(folder), SALLYPORT_REDIS_URL: redis.url };
  await startedRole({ role: 'all', environment, folder });
  await until('the worker has opened its queue', async () => (await client.keys('{sp:q}:*:meta')).length > 0);
  const queues = (await client.keys('{sp:q}:*:meta')).map((key) => `queue ${key.split(':').at(-2)}`);
  const sample = await client.keys('*');
  const pattern = (key: string): RegExp =>
    new RegExp(
      `^${key
        .replace('<tag>', '{<prefix>:*}')
        .replace('<prefix>', 'sp')
        .replace(/[{}.]/g, String.raw`\$&`)
        .replaceAll('*', '.*')}$`,
    );
  const patterns = [...keys.map(pattern), /^\{sp:q\}:/];
  expect(sample.filter((key) => !patterns.some((one) => one.test(key)))).toEqual([]);
  await hold('redis-keys', [...keys, ...queues]);
});
