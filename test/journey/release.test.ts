import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '../support/folder.ts';

const root = join(import.meta.dirname, '..', '..');
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(root, name), 'utf8'));

/** Runs a script of the repository. Resolves with what it printed. */
async function run(script: string, environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(root, 'scripts', script)], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const code = new Promise((resolve) => child.once('close', resolve));
  return { output: await text(child.stdout), code: await code };
}

interface Component {
  readonly type: string;
  readonly 'bom-ref': string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string }[];
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string; readonly name?: string };
    readonly expression?: string;
  }[];
}

interface Bill {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** Permissive ones only: none asks more of those who run the package than to keep a notice. */
const LICENCES = ['0BSD', 'Apache-2.0', 'BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'Unlicense'];
/** Where there is a choice, one of these is chosen. */
const CHOICES = ['(AFL-2.1 OR BSD-3-Clause)'];

describe('the bill of materials', () => {
  let bill: Bill;
  let libraries: readonly Component[];
  beforeAll(async () => {
    bill = JSON.parse((await run('sbom.js')).output) as Bill;
    libraries = bill.components.filter(({ type }) => type === 'library');
  });

  test('is CycloneDX 1.6, by its published schema', () => {
    // Formats of internationalized addresses, of which ajv-formats has none, are not used in the bill.
    const ajv = new Ajv({ strict: false, formats: { 'idn-email': true, 'iri-reference': true } });
    formats.default(ajv);
    const schemaOf = (name: string) => readJson(`test/fixtures/cyclonedx/${name}.schema.json`) as object;
    ajv.addSchema(schemaOf('spdx'), 'http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json');
    ajv.addSchema(schemaOf('jsf-0.82'), 'http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json');
    const isValid = ajv.compile(schemaOf('bom-1.6'));
    expect([isValid(bill), isValid.errors]).toEqual([true, null]);
    expect(isValid({ ...bill, components: [{ ...bill.components[0], type: 'no-type' }] })).toBe(false);
  });

  test('has each package that an installation brings, and each inside the bundles, with a hash', () => {
    const { packages } = readJson('package-lock.json') as {
      packages: Readonly<Record<string, { readonly version: string; readonly dev?: boolean }>>;
    };
    const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const installed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
    const purls = installed.map(([path, { version }]) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${version}`);
    const known = new Set(libraries.map(({ purl }) => purl));
    expect(purls.filter((purl) => !known.has(purl))).toEqual([]);
    expect(purls.length).toBeGreaterThan(150);
    const within = (file: string) => bill.dependencies.find(({ ref }) => ref === file)?.dependsOn.join(' ');
    expect(within('dist/googleapis-gmail.js')).toMatch(/npm\/google-auth-library@.* pkg:npm\/googleapis@/);
    expect(within('dist/edge.js')).toMatch(/npm\/hono@.* pkg:npm\/jose@.* pkg:npm\/zod@/);
    expect(libraries.filter(({ hashes }) => hashes?.[0]?.alg !== 'SHA-512')).toEqual([]);
  });

  test('refers to each component once, and to no other', () => {
    const refs = bill.components.map((component) => component['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    const known = new Set(refs);
    expect(bill.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !known.has(ref))).toEqual([]);
  });

  test('names only licences that are allowed', () => {
    const refused = libraries.filter(({ licenses }) => {
      const [{ license, expression } = {}] = licenses ?? [];
      return !LICENCES.includes(license?.id ?? license?.name ?? '') && !CHOICES.includes(expression ?? '');
    });
    expect(refused.map(({ purl, licenses }) => [purl, licenses])).toEqual([]);
  });
});

test('the check of a release fails for an advisory about what is bundled, and passes over those of tests', async () => {
  const advisory = (name: string, id: number) => ({
    [name]: [{ id, url: `https://advisories.example/${id}`, title: name, severity: 'high', vulnerable_versions: '*' }],
  });
  const registry = createServer((request, response) => {
    const isBulk = request.url?.endsWith('/security/advisories/bulk');
    response.writeHead(isBulk ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isBulk ? { ...advisory('gtoken', 1), ...advisory('vitest', 2) } : {}));
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void registry.close());
  const { port } = registry.address() as AddressInfo;
  const environment = { npm_config_registry: `http://127.0.0.1:${port}/`, npm_config_cache: await testFolder() };
  const { output, code } = await run('release-check.js', environment);
  expect(code).toBe(1);
  expect(output).toContain('advisories: failed');
  expect(output).toContain('node_modules/gtoken (high): https://advisories.example/1');
  expect(output).not.toContain('vitest');
  // Each line that is named can be pinned: images and actions, and no template that only writes the mark.
  const marked = [...output.matchAll(/^ {2}(\S+):\d+: set the digest or commit$/gm)].map(([, file]) => file);
  expect([...new Set(marked)]).toEqual(['.github/workflows/release.yml', 'deploy/compose/compose.yaml']);
});

test('the workflow of a release runs the checks before it publishes, with provenance', () => {
  const workflow = readFileSync(join(root, '.github', 'workflows', 'release.yml'), 'utf8');
  expect(workflow).toMatch(
    /npm ci\n[\s\S]*npm run release:check\n[\s\S]*npm test\n[\s\S]*needs: verify\n[\s\S]*npm publish .*--provenance.*--ignore-scripts/,
  );
  // The job that has the identity installs nothing and runs nothing of the checkout.
  const [, publish = ''] = /\n {2}publish:\n([\s\S]*?)\n {2}draft:\n/.exec(workflow) ?? [];
  expect(publish).toContain('id-token: write');
  expect(publish).not.toMatch(/npm (?:ci|run|install|test)|actions\/checkout/);
  expect(workflow.match(/id-token: write/g)).toHaveLength(1);
  const actions = [...workflow.matchAll(/uses: (.*)/g)].map(([, action = '']) => action);
  expect(actions.length).toBeGreaterThan(0);
  const unpinned = actions.filter(
    (action) => !/^[\w/-]+@(?:[0-9a-f]{40} # v|\S+ # commit: set at release$)/.test(action),
  );
  expect(unpinned).toEqual([]);
});
