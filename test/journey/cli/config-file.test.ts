import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfigFile } from '../../../src/config/file.node.ts';
import { ensureBuilt } from '../../support/built.ts';
import { sallyport } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

const settings = { server: { port: 4321 }, tenants: { acme: { slack: { signingSecrets: ['a-signing-secret'] } } } };

const written: readonly (readonly [name: string, text: string])[] = [
  ['sallyport.config.json', JSON.stringify(settings)],
  ['sallyport.config.js', `export default ${JSON.stringify(settings)};`],
  ['sallyport.config.mjs', `export default ${JSON.stringify(settings)};`],
  ['sallyport.config.mts', `export default ${JSON.stringify(settings)} satisfies object;`],
  [
    'sallyport.config.ts',
    `interface Port { port: number }
     const server: Port = { port: 4321 };
     export default { ...(${JSON.stringify(settings)} as object), server } satisfies object;`,
  ],
];

test.each(written)('%s is found in the working folder', async (name, text) => {
  const folder = await testFolder();
  // A folder outside any package: a .js file there is an ES module all the same.
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, name), text);
  expect(await readConfigFile(folder, undefined)).toEqual(settings);
});

test('a file in TypeScript may import the library', async () => {
  await ensureBuilt();
  const folder = await testFolder();
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(import.meta.dirname, '..', '..', '..'), join(folder, 'node_modules', 'sallyport'));
  const text = `import { defineConfig } from 'sallyport';\nexport default defineConfig(${JSON.stringify(settings)});`;
  await writeFile(join(folder, 'sallyport.config.ts'), text);
  expect(await readConfigFile(folder, undefined)).toEqual(settings);
});

test('SALLYPORT_CONFIG names the file, from the working folder or absolutely; empty it names none', async () => {
  const folder = await testFolder();
  await mkdir(join(folder, 'etc'));
  await writeFile(join(folder, 'etc', 'gate.json'), JSON.stringify(settings));
  expect(await readConfigFile(folder, 'etc/gate.json')).toEqual(settings);
  expect(await readConfigFile('/', join(folder, 'etc', 'gate.json'))).toEqual(settings);
  expect(await readConfigFile(folder, '')).toBeUndefined();
  expect(await readConfigFile(folder, undefined)).toBeUndefined();
});

test.each([
  ['a missing file', 'missing.json', undefined, /missing\.json: does not exist/],
  ['broken JSON', 'gate.json', '{ "c4n4ry": ', /gate\.json:1:12: is not JSON$/],
  ['a program that throws', 'gate.mjs', 'throw new Error("c4n4ry");', /gate\.mjs:1:7: cannot be loaded$/],
  ['a broken program', 'gate.ts', 'export default {{ c4n4ry', /gate\.ts:1:17: cannot be loaded \(SyntaxError\)$/],
  [
    'a program without a default export',
    'gate.mjs',
    'export const config = { c4n4ry: 1 };',
    /gate\.mjs: has no default export/,
  ],
  [
    'a TypeScript file without one',
    'gate.ts',
    'export const config = { c4n4ry: 1 };',
    /gate\.ts: has no default export/,
  ],
])('%s is told by an error whose message names the file and quotes nothing of it', async (_, name, text, expected) => {
  const folder = await testFolder();
  if (text !== undefined) await writeFile(join(folder, name), text);
  const error: unknown = await readConfigFile(folder, name).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(expected) });
  expect(String((error as Error).message)).not.toMatch(/c4n4ry|\n/);
});

test.each(['ingress', 'worker', 'all', 'dev', 'doctor'])(
  '`sallyport %s` with bad settings lists them all and exits 78',
  async (role) => {
    await ensureBuilt();
    const folder = await testFolder();
    await writeFile(join(folder, 'sallyport.config.json'), '{ "server": { "grace": "c4n4ry" }, "typo": "c4n4ry" }');
    const environment = { PORT: 'c4n4ry', SALLYPORT_SEAL_KEY: 'c4n4ry', SALLYPORT_ID_KEY: KEY };
    const { code, out, err } = await sallyport([role], { folder, environment });
    expect(code).toBe(78);
    expect(out).toBe('');
    for (const name of ['PORT', 'SALLYPORT_SEAL_KEY', 'SALLYPORT_GRACE', 'typo'])
      expect(err).toMatch(new RegExp(`^ *${name}: `, 'm'));
    expect(err).not.toContain('c4n4ry');
  },
);

test('an unreadable configuration file exits 78 in one line', async () => {
  await ensureBuilt();
  const folder = await testFolder();
  const { code, err } = await sallyport(['all'], { folder, environment: { SALLYPORT_CONFIG: 'nowhere.json' } });
  expect([code, err]).toEqual([78, 'nowhere.json: does not exist\n']);
});
