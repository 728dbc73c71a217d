import { edgePlugins } from './edge-plugins.js';

// How src/ becomes dist/. Dependencies stay in node_modules; entry points share chunks, so that a role loads only what it
// uses (the ingress never loads BullMQ or a vendor SDK).

/** @type {import('esbuild').BuildOptions} */
export const bundle = {
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
};

/**
 * The Worker, in one file with all it needs: nothing of Node is there. `conditions` are those that wrangler resolves packages
 * by.
 *
 * @type {import('esbuild').BuildOptions}
 */
export const edgeBundle = {
  entryPoints: { edge: 'src/app/edge/worker.ts' },
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['workerd', 'worker', 'browser'],
  target: 'es2023',
  external: ['cloudflare:workers'],
  minify: true,
  plugins: edgePlugins,
  sourcemap: 'linked',
  logLevel: 'warning',
};
