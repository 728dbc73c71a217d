// Emits the declarations of `sallyport` and `sallyport/testing` into dist/types/. They are part of the published package
// only (the prepack script), so that `npm install && npm start` in a checkout does not wait for the compiler.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const types = join(root, 'dist', 'types');

await rm(types, { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.types.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

// The compiler leaves `./name.ts` in declarations, where only `./name.d.ts` exists. Every resolver finds that one from
// `./name.js`. Examples in comments name files of the reader's own, which are not there, and stay as they are.
const specifier = /(\bfrom |\bimport\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g;
for (const entry of await readdir(types, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const rewrite = (found, before, quote, name) =>
    existsSync(join(entry.parentPath, `${name}.d.ts`)) ? `${before}${quote}${name}.js${quote}` : found;
  await writeFile(path, (await readFile(path, 'utf8')).replace(specifier, rewrite));
}
