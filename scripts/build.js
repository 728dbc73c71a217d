// Bundles src/ into dist/: what `sallyport` runs. Dependencies stay in node_modules; entry points share chunks, so that
// a role loads only what it uses (the ingress never loads BullMQ or a vendor SDK).
import { readdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const dist = new URL('../dist/', import.meta.url);

// Declarations are made by scripts/build-types.js. `npm pack` runs prepack and then prepare, which must leave them there.
for (const name of await readdir(dist).catch(() => [])) {
  if (name !== 'types') await rm(new URL(name, dist), { recursive: true, force: true });
}
await build({
  entryPoints: { cli: 'src/app/cli.ts', index: 'src/index.ts', testing: 'src/testing/index.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  sourcemap: 'linked',
  loader: { '.lua': 'text' },
  logLevel: 'warning',
});
