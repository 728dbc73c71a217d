import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SallyportError } from '../core/errors.ts';

const NAMES = ['sallyport.config.ts', 'sallyport.config.js', 'sallyport.config.json'] as const;

/**
 * The configuration file's value, or undefined where there is none. `named` is `SALLYPORT_CONFIG`; empty counts as absent.
 * @throws SallyportError ERR_CONFIG_INVALID when the file is missing, unreadable or throws; nothing of it is quoted.
 */
export async function readConfigFile(folder: string, named: string | undefined): Promise<unknown> {
  const found = named ? resolve(folder, named) : NAMES.map((name) => resolve(folder, name)).find(existsSync);
  if (found === undefined) return undefined;
  const refuse = (what: string, cause?: unknown): never => {
    throw new SallyportError('ERR_CONFIG_INVALID', `${named || basename(found)}: ${what}`, { cause });
  };
  if (!existsSync(found)) refuse('does not exist');
  if (found.endsWith('.json')) {
    return readFile(found, 'utf8')
      .then(JSON.parse)
      .catch((cause: unknown) => refuse('is not JSON', cause));
  }
  const module = await load(found).catch((cause: unknown) =>
    refuse(`cannot be loaded (${cause instanceof Error ? cause.name : typeof cause})`, cause),
  );
  return module.default ?? refuse('has no default export');
}

async function load(path: string): Promise<{ readonly default?: unknown }> {
  const { href } = pathToFileURL(path);
  if (!path.endsWith('.ts')) return import(href);
  // Node 20 cannot run TypeScript by itself; loaded only here, because it costs 60 ms.
  const { createJiti } = await import('jiti');
  return createJiti(href, { interopDefault: false }).import(path);
}
