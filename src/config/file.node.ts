import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SallyportError } from '../core/errors.ts';

const NAMES = ['sallyport.config.ts', 'sallyport.config.js', 'sallyport.config.json'] as const;

/**
 * The configuration file's value, or undefined where there is none. `named` is `SALLYPORT_CONFIG`.
 * @throws SallyportError ERR_CONFIG_INVALID when the file is missing, unreadable or throws.
 */
export async function readConfigFile(folder: string, named: string | undefined): Promise<unknown> {
  const path =
    named === undefined ? NAMES.map((name) => resolve(folder, name)).find(existsSync) : resolve(folder, named);
  if (path === undefined) return undefined;
  try {
    if (path.endsWith('.json')) return JSON.parse(await readFile(path, 'utf8'));
    if (path.endsWith('.ts')) {
      // Node 20 cannot run TypeScript by itself; loaded only here, because it costs 60 ms.
      const { createJiti } = await import('jiti');
      return await createJiti(pathToFileURL(path).href).import(path, { default: true });
    }
    return ((await import(pathToFileURL(path).href)) as { default?: unknown }).default;
  } catch (cause) {
    throw new SallyportError('ERR_CONFIG_INVALID', `${named ?? path}: cannot be read as a configuration file`, {
      cause,
    });
  }
}
