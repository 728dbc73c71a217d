// `npm run sbom`: prints a bill of materials in CycloneDX 1.6, of the packages that an installation brings and of those whose
// code is inside dist/. It reads the lock file, which has a hash for each of them, and needs no network.
//   npm run --silent sbom > sallyport.cdx.json
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { edgeBundle, gmailBundle } from './bundle.js';
import { bundledPackages } from './bundled.js';

const readJson = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const manifest = readJson('package.json');
const { packages } = readJson('package-lock.json');

/** Platform packages of one build of `msgpackr-extract`; the lock file has the licence of those that were installed only. */
const licenceOf = (path, { license }) =>
  license ?? (path.includes('@msgpackr-extract/') ? packages['node_modules/msgpackr-extract'].license : undefined);

const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
const purlOf = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`;
const refOf = (path) => purlOf(nameOf(path), packages[path].version);

function licences(license) {
  if (license === undefined) return [];
  if (license.includes(' ')) return [{ expression: license }];
  // The only name in use here that SPDX does not have; its text is the three-clause one.
  return [{ license: license === 'BSD' ? { name: 'BSD' } : { id: license } }];
}

function component(path) {
  const entry = packages[path];
  const [algorithm, hash] = entry.integrity.split('-');
  if (algorithm !== 'sha512') throw new Error(`${path}: no SHA-512 hash in package-lock.json`);
  const name = nameOf(path);
  return {
    type: 'library',
    'bom-ref': refOf(path),
    ...(name.startsWith('@') ? { group: name.split('/')[0], name: name.split('/')[1] } : { name }),
    version: entry.version,
    scope: entry.optional ? 'optional' : 'required',
    hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }],
    licenses: licences(licenceOf(path, entry)),
    purl: refOf(path),
  };
}

/** Where `name` is found from a package, as Node looks for it: beside what is inside it, then further out. */
function resolve(from, name) {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf('node_modules/')).replace(/\/$/, '')) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (folder === '') return undefined;
  }
}

async function bundles() {
  return Promise.all(
    [gmailBundle, edgeBundle].map(async (options) => {
      const { metafile, outputFiles } = await build({ ...options, write: false, metafile: true });
      const name = Object.keys(metafile.outputs)[0];
      const parts = await bundledPackages([metafile]);
      const content = createHash('sha256').update(outputFiles[0].contents).digest('hex');
      return { name, content, paths: parts.map(({ folder }) => folder) };
    }),
  );
}

const bundled = await bundles();
const installed = Object.keys(packages).filter((path) => path !== '' && packages[path].dev !== true);
/** By reference: two copies of one version are one component. */
const paths = new Map([...installed, ...bundled.flatMap((bundle) => bundle.paths)].map((path) => [refOf(path), path]));

/** Dependencies that are not there are of other platforms, peers that need not be installed, or left out of a bundle. */
const dependenciesOf = (path) => {
  const { dependencies, optionalDependencies, peerDependencies } = packages[path];
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  const found = names.map((name) => resolve(path, name)).filter((found) => found !== undefined);
  return found.map(refOf).filter((ref) => paths.has(ref));
};

const self = purlOf(manifest.name, manifest.version);

const sorted = (refs) => [...new Set(refs)].sort();
const components = [...paths.values()].map(component).map((each) => {
  const within = bundled.filter((bundle) => bundle.paths.some((path) => refOf(path) === each['bom-ref']));
  const properties = within.map(({ name }) => ({ name: 'sallyport:bundled-in', value: name }));
  return properties.length === 0 ? each : { ...each, properties };
});
const files = bundled.map(({ name, content }) => ({
  type: 'file',
  'bom-ref': name,
  name,
  hashes: [{ alg: 'SHA-256', content }],
}));
const bill = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  serialNumber: `urn:uuid:${randomUUID()}`,
  version: 1,
  metadata: {
    timestamp: new Date().toISOString(),
    component: {
      type: 'application',
      'bom-ref': self,
      name: manifest.name,
      version: manifest.version,
      description: manifest.description,
      licenses: licences(manifest.license),
      purl: self,
    },
  },
  components: [...files, ...components.sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1))],
  dependencies: [
    { ref: self, dependsOn: sorted([...dependenciesOf(''), ...bundled.map(({ name }) => name)]) },
    ...bundled.map((bundle) => ({ ref: bundle.name, dependsOn: sorted(bundle.paths.map(refOf)) })),
    ...[...paths].map(([ref, path]) => ({ ref, dependsOn: sorted(dependenciesOf(path)) })),
  ],
};
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
