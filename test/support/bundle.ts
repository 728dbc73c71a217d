import { basename, join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * Bundles a program with what it imports of `src`, as the product is bundled: Redis scripts are text. The bundle lies next
 * to node_modules, which stay where they are. Resolves with its path.
 */
export async function bundle(path: string): Promise<string> {
  const outfile = join(ROOT, 'node_modules', '.cache', `${basename(path, '.ts')}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(ROOT, path)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    loader: { '.lua': 'text' },
    logLevel: 'error',
  });
  return outfile;
}
