// Bundles src/ into dist/: what `sallyport` runs.
import { readdir, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { bundle, edgeBundle, gmailBundle } from './bundle.js';
import { bundledPackages, licenceTexts } from './bundled.js';

const dist = new URL('../dist/', import.meta.url);

// Declarations are made by scripts/build-types.js. `npm pack` runs prepack and then prepare, which must leave them there.
for (const name of await readdir(dist).catch(() => [])) {
  if (name !== 'types') await rm(new URL(name, dist), { recursive: true, force: true });
}
const metafiles = [];
for (const options of [gmailBundle, bundle, edgeBundle]) {
  metafiles.push((await build({ ...options, metafile: true })).metafile);
}
await writeFile(new URL('THIRD-PARTY-LICENSES.txt', dist), await licenceTexts(await bundledPackages(metafiles)));
