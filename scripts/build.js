// Bundles src/ into dist/: what `sallyport` runs.
import { readdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';
import { bundle, edgeBundle } from './bundle.js';

const dist = new URL('../dist/', import.meta.url);

// Declarations are made by scripts/build-types.js. `npm pack` runs prepack and then prepare, which must leave them there.
for (const name of await readdir(dist).catch(() => [])) {
  if (name !== 'types') await rm(new URL(name, dist), { recursive: true, force: true });
}
await build(bundle);
await build(edgeBundle);
