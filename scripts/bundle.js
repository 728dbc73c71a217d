import { edgePlugins } from './edge-plugins.js';

// How src/ becomes dist/. Dependencies stay in node_modules, but Google's client; entry points share chunks, so that a role
// loads only what it uses (the ingress never loads BullMQ or a vendor SDK). Line breaks and source maps would be a quarter of the
// package and are left out; names stay, so that the traces of errors name the functions.

/** What src/channels/gmail imports: the one entry file for Gmail of a package with one for each of Google's APIs. */
const GMAIL_ENTRY = 'googleapis/build/src/apis/gmail/index.js';

/**
 * `fetch-blob` loads this where Node has no streams of the web, which it has since 18.
 *
 * @type {import('esbuild').Plugin}
 */
const noStreamsPolyfill = {
  name: 'no-streams-polyfill',
  setup(build) {
    build.onResolve({ filter: /^web-streams-polyfill\// }, ({ path }) => ({ path, namespace: 'never-loaded' }));
    build.onLoad({ filter: /.*/, namespace: 'never-loaded' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/**
 * Google's client for Gmail with all it needs, in one file: the package installs 209 MB, of which this is half a megabyte. Its code is
 * CommonJS, which needs a `require` for the modules of Node. Names of classes stay, because it reports errors by them.
 *
 * @type {import('esbuild').BuildOptions}
 */
export const gmailBundle = {
  stdin: { contents: `export { auth, gmail } from '${GMAIL_ENTRY}';`, resolveDir: import.meta.dirname },
  outfile: 'dist/googleapis-gmail.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
  minify: true,
  keepNames: true,
  plugins: [noStreamsPolyfill],
  // They are in the file of licences that scripts/build.js writes.
  legalComments: 'none',
  logLevel: 'warning',
};

/**
 * Lets the program load the file above.
 *
 * @type {import('esbuild').Plugin}
 */
const bundledGmail = {
  name: 'bundled-gmail',
  setup(build) {
    build.onResolve({ filter: /^googleapis\// }, ({ path }) =>
      path === GMAIL_ENTRY
        ? { path: './googleapis-gmail.js', external: true }
        : { errors: [{ text: `only ${GMAIL_ENTRY} is part of the package` }] },
    );
  },
};

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
  minifySyntax: true,
  minifyWhitespace: true,
  plugins: [bundledGmail],
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
  legalComments: 'none',
  plugins: edgePlugins,
  logLevel: 'warning',
};
