import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { allVariables } from '../../../src/config/environment.ts';
import { createAuthority } from '../../support/authority.ts';
import { describeRedis, startRedis } from '../../support/redis.ts';
import { startRole } from '../../support/role.ts';

const root = join(import.meta.dirname, '..', '..', '..');

interface Sample {
  readonly title: string;
  readonly environment: Readonly<Record<string, string>>;
  /** By name. */
  readonly files: Readonly<Record<string, string>>;
}

const FENCED = /(?:<!-- excerpt of: (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```/gm;
const IMPORTS = "import { defineAgent, defineConfig, defineTool } from 'sallyport';";
const NAMED_FILE = /^\/\/ ([\w.-]+\.ts)\n/;

/** Configuration files and lists of variables in a page. Other files of the page are put beside its configuration. */
function fencedSamples(page: string, text: string): Sample[] {
  const blocks = [...text.matchAll(FENCED)].map(([, excerptOf, language = '', code = ''], i) => ({
    ...{ excerptOf, language, code },
    title: `${page}, block ${i + 1}`,
  }));
  const others = blocks.flatMap(({ code }) => {
    const [, name] = NAMED_FILE.exec(code) ?? [];
    return name === undefined || name.startsWith('sallyport.config') ? [] : [[name, code] as const];
  });
  return blocks.flatMap(({ title, excerptOf, language, code }): Sample[] => {
    const all = [code, ...others.map(([, other]) => other)].join('\n');
    const environment = Object.fromEntries(
      [...all.matchAll(/process\.env\.(\w+)/g)].map(([, name = '']) => [
        name,
        'a-value-of-more-than-32-characters-here',
      ]),
    );
    if (language === 'sh') return variables(title, code);
    if (language === 'json' && /^\{\s*"(agents|tenants)"/.test(code)) {
      return [{ title, environment, files: { 'sallyport.config.json': filled(code) } }];
    }
    if (language !== 'ts') return [];
    if (excerptOf !== undefined) {
      return [{ title, environment, files: { 'sallyport.config.ts': completed(code, excerptOf) } }];
    }
    return code.includes('export default defineConfig(')
      ? [{ title, environment, files: { 'sallyport.config.ts': code, ...Object.fromEntries(others) } }]
      : [];
  });
}

/** Several variables in one piece of code within a sentence. */
const inlineSamples = (page: string, text: string): Sample[] =>
  [...text.replace(FENCED, '').matchAll(/`([A-Z]\w*=[^`\s]+(?: [A-Z]\w*=[^`\s]+)+)`/g)].flatMap(([, code = ''], i) =>
    variables(`${page}, in a sentence, ${i + 1}`, code),
  );

/** What sets variables of ours, whether it exports them, puts them before a command, or is an `.env`. */
function variables(title: string, code: string): Sample[] {
  const set = [...code.matchAll(/(?<=^|\s)([A-Z][A-Z_]+)=([^\s#]+)/gm)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  const known = set.filter(([name = '']) => Object.hasOwn(allVariables.paths, name));
  const environment = Object.fromEntries(known.map(([name = '', value = '']) => [name, filled(value)]));
  return known.length === 0 ? [] : [{ title, environment, files: {} }];
}

/** The excerpt within what the page says that it is an excerpt of. */
function completed(code: string, excerptOf: string): string {
  const isModule = excerptOf.includes('export default');
  const whole = excerptOf.replace('SAMPLE', () => (isModule ? code : code.trim().replace(/;$/, '')));
  return isModule ? whole : `${IMPORTS}\nexport default ${whole};\n`;
}

/** Values in place of those that a page leaves out. */
const filled = (text: string): string =>
  text
    .replaceAll('whsec_…', `whsec_${Buffer.alloc(24, 2).toString('base64')}`)
    .replaceAll('redis://…', REDIS)
    .replaceAll('…', 'a-value-of-sixteen-bytes');

/** Stands for the Redis that the test starts. */
const REDIS = 'redis://redis.invalid';

const pages = await Promise.all(
  [
    'README.md',
    ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ]
    .sort()
    .map(async (name) => ({ name, text: await readFile(join(root, name), 'utf8') })),
);
const samples = pages.flatMap(({ name, text }) => [...fencedSamples(name, text), ...inlineSamples(name, text)]);

const key = Buffer.alloc(32, 7).toString('base64');

/** What every configuration needs and most samples do not repeat. */
const base = {
  SALLYPORT_SEAL_KEY: key,
  SALLYPORT_ID_KEY: key,
  SLACK_SIGNING_SECRET: 'a-secret-of-sixteen-bytes',
  LLM_BASE_URL: 'http://127.0.0.1:1/v1',
  LLM_MODEL: 'a-model',
};

/** Starts a gate and stops it. What it logged comes back. */
async function start({ environment, files }: Omit<Sample, 'title'>, redisUrl = ''): Promise<Record<string, unknown>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-sample-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules', 'sallyport'));
  for (const name of ['zod', '@slack'])
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const given = Object.entries({ ...base, ...environment }).map(([name, value]) => [
    name,
    value.replace(REDIS, redisUrl).replace(FILES, `${folder}/`),
  ]);
  const tls = Object.hasOwn(environment, 'SALLYPORT_TLS_CERT') ? await putCertificates(folder) : {};
  const gate = await startRole({ role: 'all', environment: Object.fromEntries(given), folder, ...tls });
  expect(await gate.stop()).toBe(0);
  const log = await readFile(join(folder, `all-${gate.port}.log`), 'utf8');
  return (
    log
      .trim()
      .split('\n')
      // A Bolt app writes lines of its own when Slack does not answer it.
      .filter((line) => !line.startsWith('[WARN]  bolt-app'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  );
}

/** Where pages keep the files that settings name. */
const FILES = '/etc/sallyport/';

/** Writes the files of docs/tls.md. Resolves with the authority that a client has to trust. */
async function putCertificates(folder: string): Promise<{ readonly ca: string }> {
  const authority = createAuthority();
  const { cert, key: privateKey } = authority.issue('localhost');
  const files = { 'tls.crt': cert, 'tls.key': privateKey, 'clients.pem': authority.cert };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return { ca: authority.cert };
}

const needsRedis = ({ environment }: Sample): boolean => Object.values(environment).includes(REDIS);

describe('a gate starts with the configuration of', () => {
  test.each(samples.filter((sample) => !needsRedis(sample)))(
    '$title',
    { timeout: 180_000 },
    async (sample) => void (await start(sample)),
  );
});

describeRedis('with a Redis, a gate starts with the configuration of', () => {
  test.each(samples.filter(needsRedis))('$title', { timeout: 180_000 }, async (sample) => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await start(sample, redis.url);
  });
});

test('the samples of every page that has some are found', () => {
  const found = new Set(samples.map(({ title }) => title.split(',')[0]));
  const describing = pages.filter(({ text }) =>
    /^export default defineConfig\(|^(export )?(SLACK|SALLYPORT|LLM)_\w+=/m.test(text),
  );
  expect(describing.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([]);
  expect(samples.length).toBeGreaterThan(12);
  // An excerpt that says nothing of what it is part of would be passed over.
  const unmarked = pages.flatMap(({ name, text }) =>
    [...text.matchAll(FENCED)]
      .filter(([, excerptOf, language, code = '']) => language === 'ts' && excerptOf === undefined && isPart(code))
      .map(([, , , code]) => `${name}: ${code?.split('\n')[0]}`),
  );
  expect(unmarked).toEqual([]);
});

/** Of a configuration. A sample with packages of vendors of models, which are not installed here, cannot be started. */
const isPart = (code: string): boolean =>
  !code.includes("from '@ai-sdk/") &&
  !code.includes('export default defineConfig(') &&
  /^(?:[a-z]\w*: |defineAgent\()|define(?:Tool|Agent)\(/m.test(code.replace(/\/\/.*/g, ''));

test('settings without effect are logged by name when it starts', { timeout: 180_000 }, async () => {
  const environment = { SALLYPORT_AGENT: 'echo', SALLYPORT_REDIS_SHARDS: '2', LLM_API_KEY: 'c4n4ry-of-a-key' };
  const log = await start({ environment, files: {} });
  const reported = log.filter(({ msg, event }) => [msg, event].includes('setting.no-effect'));
  expect(reported.map(({ setting }) => setting).sort()).toEqual([
    'LLM_API_KEY',
    'LLM_BASE_URL',
    'LLM_MODEL',
    'SALLYPORT_REDIS_SHARDS',
  ]);
  expect(JSON.stringify(log)).not.toContain('c4n4ry');
});
