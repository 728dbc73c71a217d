// `npm run release:check`: whether this checkout can be released. One line a check; the exit code is 1 if any fails. It asks
// the registry for advisories, so it is a step of a release and not of the tests. docs/releasing.md is the guide.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { edgeBundle, gmailBundle } from './bundle.js';
import { bundledPackages } from './bundled.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const read = (name) => readFileSync(join(root, name), 'utf8');
const manifest = JSON.parse(read('package.json'));
const { packages } = JSON.parse(read('package-lock.json'));

/** What a release fills in: digests of images, commits of actions. */
const PLACEHOLDER = /# (?:digest|commit): set at release\s*$/;
/** A template of the chart writes the mark for an image without a digest; the digest is set at installation. */
const isTemplate = (line) => line.includes('{{');
/** Where they are spoken of, not set. */
const MENTIONS = /^(?:docs|scripts|test)\//;

function changelog() {
  const isThere = read('CHANGELOG.md')
    .split('\n')
    .some((line) => line.startsWith(`## ${manifest.version} `));
  return isThere ? [] : [`CHANGELOG.md has no section for ${manifest.version}: rename Unreleased and add the date`];
}

function repository() {
  // npm refuses to publish with provenance unless it is where the workflow runs.
  return manifest.repository === undefined
    ? ['package.json has no repository: set the address of the published one']
    : [];
}

function placeholders() {
  const { stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  const files = stdout.split('\0').filter((name) => name !== '' && !MENTIONS.test(name));
  if (files.length === 0) return ['git lists no files: run this in a checkout'];
  return files.flatMap((name) =>
    read(name)
      .split('\n')
      .flatMap((line, index) =>
        PLACEHOLDER.test(line) && !isTemplate(line) ? [`${name}:${index + 1}: set the digest or commit`] : [],
      ),
  );
}

/** Of packages that are installed with this one, or that are inside its bundles; those of development are left out. */
async function advisories() {
  const { stdout } = spawnSync('npm', ['audit', '--json'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const { vulnerabilities, message } = JSON.parse(stdout);
  if (vulnerabilities === undefined) return [`npm audit got no answer: ${message}`];
  const results = await Promise.all(
    [gmailBundle, edgeBundle].map((options) => build({ ...options, write: false, metafile: true })),
  );
  const bundled = new Set((await bundledPackages(results.map(({ metafile }) => metafile))).map(({ folder }) => folder));
  return Object.values(vulnerabilities).flatMap(({ nodes, severity, via }) =>
    nodes
      .filter((path) => bundled.has(path) || packages[path]?.dev !== true)
      .map((path) => `${path} (${severity}): ${via.map((each) => each.url ?? each).join(', ')}`),
  );
}

for (const check of [changelog, repository, placeholders, advisories]) {
  const problems = await check();
  process.stdout.write(`${check.name}: ${problems.length === 0 ? 'ok' : `failed\n  ${problems.join('\n  ')}`}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
