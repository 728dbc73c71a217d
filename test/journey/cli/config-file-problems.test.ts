import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { codeFrame } from '../../../src/config/code-frame.ts';
import { ensureBuilt } from '../../support/built.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';

beforeAll(ensureBuilt);

const lines = (...all: string[]): string => `${all.join('\n')}\n`;

/**
 * Runs a command that needs the configuration, in a folder with these files. JavaScript is loaded by Node itself, which the
 * test runner would do in another way; a configuration without a problem (`isRole`) gets as far as the role.
 */
async function withFiles(
  files: Readonly<Record<string, string>>,
  environment: Record<string, string> = {},
  isRole = false,
) {
  const folder = await testFolder();
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await mkdir(join(folder, 'lib'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const isJavaScript = Object.keys(files).some((name) => /\.m?js$/.test(name));
  return (isRole || isJavaScript ? sallyportProcess : sallyport)(['all'], { folder, environment });
}

const told: readonly (readonly [what: string, files: Readonly<Record<string, string>>, expected: string])[] = [
  [
    'bad syntax in TypeScript',
    {
      'sallyport.config.ts': lines("const token = 'c4n4ry';", '', 'export default {', '  server: { port 4321 },', '};'),
    },
    lines(
      'sallyport.config.ts:4:18: cannot be loaded (SyntaxError): Unexpected token, expected ","',
      '    2 |',
      '    3 | export default {',
      '  > 4 |   server: { port 4321 },',
      '      |                  ^',
    ),
  ],
  [
    'bad syntax in JavaScript',
    { 'sallyport.config.js': lines('export default {', "  logLevel: 'c4n4ry',", '  server: { port 4321 },', '};') },
    lines(
      'sallyport.config.js:3:18: cannot be loaded (SyntaxError): Unexpected token, expected ","',
      '    1 | export default {',
      "    2 |   logLevel: '…',",
      '  > 3 |   server: { port 4321 },',
      '      |                  ^',
    ),
  ],
  [
    'bad syntax in JSON',
    { 'sallyport.config.json': lines('{', '  "server": { "port": c4n4ry },', '  "logLevel": "c4n4ry"', '}') },
    lines(
      'sallyport.config.json:2:23: is not JSON',
      '    1 | {',
      '  > 2 |   "…": { "…": c4n4ry },',
      '      |               ^',
    ),
  ],
  [
    'a package that is not installed',
    { 'sallyport.config.ts': lines("import { z } from '@scope/zodd/mini';", 'export default { z };') },
    lines(
      'sallyport.config.ts:1:19: cannot be loaded: cannot find the package @scope/zodd: run npm install @scope/zodd',
      "  > 1 | import { z } from '…';",
      '      |                   ^',
    ),
  ],
  [
    'a package that is not installed, in JavaScript',
    { 'sallyport.config.mjs': lines('', 'import z from "zodd";', 'export default { z };') },
    lines(
      'sallyport.config.mjs:2:15: cannot be loaded: cannot find the package zodd: run npm install zodd',
      '    1 |',
      '  > 2 | import z from "…";',
      '      |               ^',
    ),
  ],
  [
    'a file that is not there',
    { 'sallyport.config.ts': lines("import { z } from './lib/secrets.ts';", 'export default { z };') },
    lines(
      'sallyport.config.ts:1:19: cannot be loaded: cannot find ./lib/secrets.ts: there is no such file',
      "  > 1 | import { z } from '…';",
      '      |                   ^',
    ),
  ],
  [
    'something that is thrown',
    {
      'sallyport.config.ts': lines(
        'const need = (name: string): string => {',
        '  const value: string | undefined = process.env[name];',
        '  if (value === undefined) throw new TypeError(name + " is not set");',
        '  return value;',
        '};',
        "export default { server: { publicUrl: need('MY_URL') } };",
      ),
    },
    lines(
      'sallyport.config.ts:3:34: cannot be loaded (TypeError): MY_URL is not set',
      '    1 | const need = (name: string): string => {',
      '    2 |   const value: string | undefined = process.env[name];',
      '  > 3 |   if (value === undefined) throw new TypeError(name + "…");',
      '      |                                  ^',
    ),
  ],
  [
    'something that is thrown behind a template, whose ends are not certain',
    { 'sallyport.config.mjs': lines('const a = `c4n4ry`;', 'export default { a: nope.b };') },
    'sallyport.config.mjs:2:21: cannot be loaded (ReferenceError): nope is not defined\n',
  ],
  [
    'something that a file of its own throws, after types that the loader removes',
    {
      'sallyport.config.ts': lines(
        "import { url } from './lib/url.ts';",
        'export default { server: { publicUrl: url } };',
      ),
      'lib/url.ts': lines('', 'export const url: string = missingName;'),
    },
    lines(
      'lib/url.ts:2:28: cannot be loaded (ReferenceError): missingName is not defined',
      '    1 |',
      '  > 2 | export const url: string = missingName;',
      '      |                            ^',
    ),
  ],
  [
    'something thrown that is no Error',
    { 'sallyport.config.ts': "throw 'c4n4ry';\n" },
    'sallyport.config.ts: cannot be loaded: something was thrown that is no Error\n',
  ],
  [
    'a function',
    { 'sallyport.config.ts': 'export default () => ({});\n' },
    'sallyport.config.ts: the default export must be an object of settings, as defineConfig({ … }) returns it, and not ' +
      'a function: call it\n',
  ],
  [
    'a promise',
    { 'sallyport.config.js': 'export default Promise.resolve({});\n' },
    'sallyport.config.js: the default export must be an object of settings, as defineConfig({ … }) returns it, and not ' +
      'a promise: await it\n',
  ],
  [
    'a list in JSON',
    { 'sallyport.config.json': '["c4n4ry"]\n' },
    'configuration is not valid:\n  configuration: must be an object of settings\n',
  ],
  ...['yaml', 'yml', 'cts', 'cjs', 'toml'].map(
    (extension): readonly [string, Readonly<Record<string, string>>, string] => [
      `a file .${extension}`,
      { [`sallyport.config.${extension}`]: 'logLevel: c4n4ry\n' },
      `sallyport.config.${extension}: is not read; write it as sallyport.config.ts or sallyport.config.json\n`,
    ],
  ),
];

test.each(told)('the place, the reason and the remedy are told, with exit code 78: %s', async (_, files, expected) => {
  expect(await withFiles(files)).toEqual({ code: 78, out: '', err: expected });
});

const SLACK_TOKEN = ['xoxb', '123456789012', '123456789012', 'abcdefghijklmnopqrstuvwx'].join('-');

test.each([
  ['in the error', `throw new Error('refused ${SLACK_TOKEN}');`],
  ['in a literal of the line', `export default { a: '${SLACK_TOKEN}', b: nope.c };`],
  ['without quotes', `export default { a: ${SLACK_TOKEN} };`],
  ['in a comment', `// ${SLACK_TOKEN}\n/* ${SLACK_TOKEN} */ nope.b();`],
  ['in what JSON.parse quotes', `JSON.parse('{ "a": c${SLACK_TOKEN} }');`],
  ['in the name of a module', `import '${SLACK_TOKEN}';`],
])('no secret of the file is shown: %s', async (_, text) => {
  for (const name of ['sallyport.config.ts', 'sallyport.config.mjs']) {
    const { code, out, err } = await withFiles({ [name]: `\n${text}\n` });
    expect([code, out]).toEqual([78, '']);
    expect(err).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')}`));
    expect(err).not.toMatch(/xoxb-|abcdefghijklm|JSON\.parse\('[^…]/);
  }
});

test('a setting that is missing is named with those that need it', async () => {
  const { code, err } = await withFiles({}, { GRAPH_CLIENT_ID: 'an-app', GRAPH_CLIENT_SECRET: 'a-secret' });
  expect(code).toBe(78);
  expect(err).toContain('  GRAPH_TENANT_ID: is required with GRAPH_CLIENT_ID, GRAPH_CLIENT_SECRET\n');
  expect(err).not.toMatch(/Invalid input|a-secret|an-app/);
});

const KEYS = {
  SALLYPORT_SEAL_KEY: Buffer.alloc(32, 7).toString('base64'),
  SALLYPORT_ID_KEY: Buffer.alloc(32, 8).toString('base64'),
};

test('an unknown tool and an unknown agent are named with those that exist, and end with 78', async () => {
  const agents = [{ name: 'orders', instructions: 'You help.', tools: ['fetch_ulr', 'reply'] }];
  const slack = { signingSecrets: ['a-signing-secret'] };
  const environment = {
    ...KEYS,
    LLM_BASE_URL: 'http://127.0.0.1:9/v1',
    LLM_MODEL: 'm',
    PORT: '0',
    LOG_LEVEL: 'silent',
  };
  const file = (settings: object) => ({ 'sallyport.config.json': JSON.stringify({ agents, ...settings }) });
  const tool = await withFiles(file({ tenants: { default: { slack } } }), environment, true);
  expect([tool.code, tool.out]).toEqual([78, '']);
  expect(tool.err).toMatch(
    /^agent orders: names a tool that does not exist: fetch_ulr \(there are fetch_url, reply, .*and tools made by defineTool\)\n$/,
  );
  const twins = { agents: [...agents, ...agents, { name: 'other', instructions: 'You help.' }] };
  const twice = await withFiles(file({ ...twins, tenants: { default: { slack } } }), environment);
  expect([twice.code, twice.err]).toEqual([78, 'configuration is not valid:\n  agents: have the same name: orders\n']);
  const agent = await withFiles(file({ tenants: { default: { slack, agents: ['order'] } } }), environment);
  expect([agent.code, agent.err]).toEqual([
    78,
    'configuration is not valid:\n' +
      '  tenants.default.agents: names an agent that does not exist: order (there are echo, assistant, http, orders)\n',
  ]);
});

test('a frame never shows what stands in a literal or a comment, whatever stands around it', () => {
  const secret = fc.constantFrom('zqxjkv', 'zqxjkv wq', "zqxjkv\\'", 'zqxjkv\\\\');
  const statement = fc.oneof(
    secret.map((text) => `const a = '${text}', b = ['${text}', "${text.replaceAll("'", '"')}"];`),
    secret.map((text) => `const a = \`${text}\n \${name('${text}')} ${text}\`;`),
    secret.map((text) => `// ${text}`),
    secret.map((text) => `/* ${text}\n${text} */ const c = '${text}';`),
    secret.map((text) => `const r = /'/.test('${text}') /* ${text}\n ${text} */;`),
    secret.map((text) => `const l = '\\\n${text}';`),
    fc.constantFrom('const b = { c: 1 };', "const d = 'it';", '}', 'const e = `', 'a / 2 /* b', "const f = 'open"),
  );
  void fc.assert(
    fc.property(fc.array(statement, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(60), (statements, at, column) => {
      const source = statements.join('\n');
      const line = 1 + (at % source.split('\n').length);
      for (const isBroken of [true, false]) {
        expect(codeFrame(source, { line, column }, isBroken).join('\n')).not.toContain('zqxjkv');
      }
    }),
    { numRuns: 2000 },
  );
});

test('a quote that is out of place shows nothing behind it', () => {
  const source = "export default { a: 'it's zqxjkv', b: 'zqxjkv' };";
  expect(codeFrame(source, { line: 1, column: 25 }, true)).toEqual([
    "> 1 | export default { a: '…'…",
    '    |                        ^',
  ]);
});

test('a frame points at its column, and shows short words with digits', () => {
  expect(codeFrame("const a = ['one', 'two', b2];", { line: 1, column: 26 }, false)).toEqual([
    "> 1 | const a = ['…', '…', b2];",
    '    |                      ^',
  ]);
  expect(codeFrame('a\nb', { line: 3 }, false)).toEqual([]);
});
