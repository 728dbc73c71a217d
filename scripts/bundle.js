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
