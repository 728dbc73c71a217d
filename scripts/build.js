// Bundles src/ into dist/: what `sallyport` runs. Dependencies stay in node_modules; entry points share chunks, so that
// a role loads only what it uses (the ingress never loads BullMQ or a vendor SDK).
import { rm } from 'node:fs/promises';
import { build } from 'esbuild';

await rm(new URL('../dist', import.meta.url), { recursive: true, force: true });
await build({
  entryPoints: { cli: 'src/entries/cli.ts', index: 'src/index.ts', testing: 'src/testing/index.ts' },
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
