import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { edgeBundle, gmailBundle } from '../../scripts/bundle.js';
import { bundledPackages } from '../../scripts/bundled.js';

const root = join(import.meta.dirname, '..', '..');
/** What a clone has that packing reads. */
const sources = [
  'bin',
  'docs',
  'scripts',
  'src',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'package.json',
  'tsconfig.json',
  'tsconfig.types.json',
  'wrangler.toml',
];

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], folder: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const offline = {
      ...{ npm_config_offline: 'true', npm_config_update_notifier: 'false' },
      ...{ WRANGLER_SEND_METRICS: 'false', CI: 'true' },
    };
    const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...offline };
    const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

async function succeed(command: string, args: readonly string[], folder: string): Promise<string> {
  const { code, output } = await run(command, args, folder);
  if (code !== 0) throw new Error(`${command} ${args[0]} ended with ${code}: ${output}`);
  return output;
}

let folder: string;
let tarball: string;
/** A project that has installed the tarball and its dependencies, and nothing else. */
let project: string;

/** Packs a copy of the checkout: `npm pack` runs the build, and other tests use the checkout's own bundle meanwhile. */
async function pack(): Promise<string> {
  const clone = join(folder, 'clone');
  for (const name of sources) await cp(join(root, name), join(clone, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  await succeed('npm', ['pack', '--pack-destination', folder], clone);
  return join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? 'no tarball');
}

/** Installs without a network: what a registry would deliver is in the checkout's own node_modules. */
async function install(): Promise<void> {
  const installed = join(project, 'node_modules', 'sallyport');
  await mkdir(installed, { recursive: true });
  await succeed('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'], folder);
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly peerDependencies: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const link = join(project, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, 'node_modules', name), link);
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-package-'));
  project = join(folder, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  tarball = await pack();
  await install();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const resolutions = [
  ['nodenext', 'nodenext'],
  ['preserve', 'bundler'],
] as const;

/** Runs the compiler as strictly as a project can, declarations of packages included. */
async function check(name: string, text: string, [module, moduleResolution] = resolutions[0] as readonly string[]) {
  await writeFile(join(project, name), text);
  const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2023'];
  const resolution = ['--module', module ?? '', '--moduleResolution', moduleResolution ?? ''];
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return run(process.execPath, [compiler, ...options, ...resolution, name], project);
}

const CONFIG = `
import { boltAgent, defineAgent, defineConfig, defineTool, type InboundEvent, type Tool } from 'sallyport';
import { signSlackRequest, slackMessage } from 'sallyport/testing';
import * as z from 'zod';

const orderStatus = defineTool({
  name: 'order_status',
  description: 'Where an order is.',
  effect: 'none',
  input: z.strictObject({ order: z.string(), most: z.number().default(3) }),
  run: ({ order, most }, { signal }) => (signal.aborted ? null : order.slice(0, most)),
});

defineTool({
  name: 'order_date',
  description: 'When an order was made.',
  effect: 'none',
  input: z.strictObject({ order: z.string() }),
  // @ts-expect-error: the schema has no such field.
  run: ({ oder }) => oder,
});

// @ts-expect-error: not an effect.
export const noEffect: Tool['effect'] = 'nothing';

export const isPlain = ({ text }: InboundEvent): boolean => text.length < 100;

// @ts-expect-error: not a field of a message.
export const message = () => slackMessage({ txt: 'hello' });

export const request = () => signSlackRequest;

export default defineConfig({
  server: { port: 4321 },
  // @ts-expect-error: not a setting.
  sevrer: {},
  api: { jwtSecret: 'a-secret-of-at-least-thirty-two-bytes' },
  retention: '30d',
  agents: [
    defineAgent({
      name: 'orders',
      match: ({ mentioned }) => mentioned,
      instructions: 'You answer questions about orders.',
      tools: [orderStatus, 'fetch_url'],
      // @ts-expect-error: a budget is in dollars.
      budget: { eur: 5 },
    }),
    defineAgent({ name: 'greeter', run: async () => ({ kind: 'reply', text: 'Hi!' }) }),
    boltAgent({ app: () => Promise.reject(new Error('not started here')) }),
  ],
  tenants: { default: { slack: { signingSecrets: ['a-signing-secret'] } } },
});
`;

test.each(resolutions)(
  'a configuration is checked against the declarations: module %s, resolution %s',
  async (...how) => {
    // An @ts-expect-error that is not needed is an error itself: each of the wrong fields above must be found.
    expect(await check('checked.ts', CONFIG, how)).toEqual({ code: 0, output: '' });
  },
);

test.each(['sallyport', 'sallyport/edge', 'sallyport/testing'])(
  'the declarations of %s alone are whole, with no package besides',
  async (entry) => {
    const text = `import * as all from '${entry}';\nexport const names: string[] = Object.keys(all);\n`;
    expect(await check('alone.ts', text)).toEqual({ code: 0, output: '' });
  },
);

/** Without the path within the package. */
const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

test('the declarations import only packages that are installed with the package', async () => {
  const installed = join(project, 'node_modules', 'sallyport');
  const types = join(installed, 'dist', 'types');
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly peerDependencies: Readonly<Record<string, string>>;
  };
  // Schemas of a project must be of the zod that the package uses, so there may be only one.
  expect([manifest.dependencies.zod, manifest.peerDependencies.zod]).toEqual([undefined, expect.stringMatching(/^\^/)]);
  const provided = { ...manifest.dependencies, ...manifest.peerDependencies };
  const names = (await readdir(types, { recursive: true })).filter((name) => name.endsWith('.d.ts'));
  expect(names).toEqual(
    expect.arrayContaining(['index.d.ts', join('testing', 'index.d.ts'), join('app', 'edge', 'worker.d.ts')]),
  );
  const imported = new Set<string>();
  for (const name of names) {
    const text = (await readFile(join(types, name), 'utf8')).replace(/\/\*[\s\S]*?\*\//g, '');
    for (const [, specifier = ''] of text.matchAll(/(?:from |import\()['"]([^'"]+)['"]/g)) {
      if (specifier.startsWith('.')) expect(names).toContain(join(dirname(name), specifier.replace(/\.js$/, '.d.ts')));
      else if (!specifier.startsWith('node:')) imported.add(packageOf(specifier));
    }
  }
  expect([...imported].filter((name) => provided[name] === undefined)).toEqual([]);
});

const WORKER = `
import { createEdge } from 'sallyport/edge';

const { fetch, EdgeShard } = createEdge({ tenants: { acme: { slack: { signingSecrets: ['a-signing-secret'] } } } });

export { EdgeShard };
export default { fetch };
`;

test.each(resolutions)(
  'a Worker of a project is checked against the declarations: module %s, resolution %s',
  async (...how) => {
    expect(await check('worker.ts', WORKER, how)).toEqual({ code: 0, output: '' });
    const wrong = WORKER.replace('EdgeShard } =', 'EdgeShards } =').replace(
      'export { EdgeShard }',
      'export { EdgeShards }',
    );
    expect(await check('wrong-worker.ts', wrong, how)).toMatchObject({ code: 1 });
  },
);

test('wrangler bundles a Worker of a project with the configuration of the package', async () => {
  const given = await readFile(join(project, 'node_modules', 'sallyport', 'wrangler.toml'), 'utf8');
  // The two changes of docs/edge.md.
  const own = given.replace('main = "dist/edge.js"', 'main = "worker.ts"').replace('no_bundle = true\n', '');
  expect(own.length).toBeLessThan(given.length - 10);
  await writeFile(join(project, 'worker.ts'), WORKER);
  await writeFile(join(project, 'wrangler.toml'), own);
  const wrangler = join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js');
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', 'bundled'];
  const output = await succeed(process.execPath, args, project);
  expect(output).toContain('env.SHARDS (EdgeShard)');
  const text = await readFile(join(project, 'bundled', 'worker.js'), 'utf8');
  expect(text).toContain('sallyport-relay-request.v1');
  const imported = [...text.matchAll(/^import .* from ['"]([^'"]+)['"]/gm)].map(([, from]) => from);
  expect([...new Set(imported)]).toEqual(['cloudflare:workers']);
});

test('the installed command runs, and loads a configuration that imports the library', async () => {
  const command = join(project, 'node_modules', 'sallyport', 'bin', 'sallyport.js');
  expect(await succeed(process.execPath, [command, '--help'], project)).toMatch(/^Usage: sallyport/);
  const loadable = CONFIG.replace('sevrer: {},', '').replace('budget: { eur: 5 },', '');
  await writeFile(join(project, 'sallyport.config.ts'), loadable);
  // A token can be made only with the secret that the file holds.
  const token = await succeed(process.execPath, [command, 'token', '--scope', 'events:read'], project);
  expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
});

test('Google’s client for Gmail works without the package that it is of', async () => {
  const path = join(folder, 'service.json');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(
    path,
    JSON.stringify({
      type: 'service_account',
      client_email: 'reader@project.iam.gserviceaccount.com',
      private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    }),
  );
  const seen: string[] = [];
  const google: typeof fetch = async (input, init) => {
    const { url, headers } = new Request(input, { ...init, body: null });
    seen.push(`${url} ${headers.get('authorization')}`);
    return Response.json(url.endsWith('/token') ? { access_token: 'a-token', expires_in: 3600 } : { historyId: '42' });
  };
  const file = join(project, 'node_modules', 'sallyport', 'dist', 'googleapis-gmail.js');
  const { auth, gmail } = (await import(file)) as typeof import('googleapis/build/src/apis/gmail/index.js');
  const scopes = ['https://www.googleapis.com/auth/gmail.modify'];
  const transporterOptions = { fetchImplementation: google };
  const client = await new auth.GoogleAuth({
    keyFile: path,
    scopes,
    clientOptions: { transporterOptions },
  }).getClient();
  const options = { version: 'v1', auth: client, fetchImplementation: google };
  const { data } = await gmail(options as Parameters<typeof gmail>[0]).users.getProfile({ userId: 'me' });
  expect(data).toEqual({ historyId: '42' });
  expect(seen.at(-1)).toBe('https://gmail.googleapis.com/gmail/v1/users/me/profile Bearer a-token');
});

/** What `npm pack` may put in, of the folders that hold files of names we do not choose one by one. */
const CONTENTS = [
  /^(?:LICENSE|(?:ARCHITECTURE|CHANGELOG|README|SECURITY)\.md|package\.json|wrangler\.toml)$/,
  /^bin\/sallyport\.js$/,
  /^dist\/(?:cli|edge|googleapis-gmail|index|testing|THIRD-PARTY-LICENSES)\.(?:js|txt)$/,
  /^dist\/[\w.-]+-[0-9A-Z]{8}\.js$/,
  /^dist\/types\/(?:[\w.-]+\/)*[\w.-]+\.d\.ts$/,
  /^docs\/(?!releasing|testing)[\w-]+\.md$/,
];

/** Bytes of the tarball. */
const MOST = 1_000_000;

test('the package holds the command, the bundle, the declarations and the guides, and nothing else', async () => {
  const installed = join(project, 'node_modules', 'sallyport');
  const files = (await readdir(installed, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(installed, join(entry.parentPath, entry.name)));
  expect(files.filter((name) => !CONTENTS.some((pattern) => pattern.test(name)))).toEqual([]);
  const unused = CONTENTS.filter((pattern) => !files.some((name) => pattern.test(name)));
  expect(unused).toEqual([]);
  expect((await stat(tarball)).size).toBeLessThan(MOST);
});

test('the licence of every package in the bundles is in the package', async () => {
  const text = await readFile(join(project, 'node_modules', 'sallyport', 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  const options = { write: false, metafile: true, absWorkingDir: root } as const;
  const results = await Promise.all([gmailBundle, edgeBundle].map((bundle) => build({ ...bundle, ...options })));
  const packages = await bundledPackages(results.flatMap(({ metafile }) => metafile ?? []));
  expect(packages.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['googleapis', 'google-auth-library', 'zod']),
  );
  const names = packages.map(({ name, version, license }) => `\n${name} ${version} (${license})\n`);
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
  expect(text).toContain('Apache License\n');
});
