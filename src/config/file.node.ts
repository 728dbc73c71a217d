import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigFileError, explainFailure, jsonFailure, type LoadFailure, type Transform } from './load-failure.node.ts';

const NAMES = ['ts', 'mts', 'js', 'mjs', 'json'].map((extension) => `sallyport.config.${extension}`);

/** What a person may have meant to be read. */
const OTHER_NAMES = ['cts', 'cjs', 'yaml', 'yml', 'toml', 'json5', 'jsonc'].map((end) => `sallyport.config.${end}`);

/** What `SALLYPORT_CONFIG` may name. */
const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];

/**
 * The configuration file's value, or undefined where there is none. `named` is `SALLYPORT_CONFIG`; empty counts as absent.
 * @throws ConfigFileError when the file is missing, unreadable or throws, or holds something else than settings
 */
export async function readConfigFile(folder: string, named: string | undefined): Promise<unknown> {
  const found = configFilePath(folder, named);
  if (found === undefined) {
    const other = firstOf(OTHER_NAMES, folder);
    if (other === undefined) return undefined;
    throw new ConfigFileError(
      `${basename(other)}: is not read; write it as sallyport.config.ts or sallyport.config.json`,
    );
  }
  const name = named || basename(found);
  if (!existsSync(found)) throw new ConfigFileError(`${name}: does not exist`);
  if (!EXTENSIONS.includes(extname(found))) {
    throw new ConfigFileError(`${name}: is not read; its name must end in ${EXTENSIONS.join(', ')}`);
  }
  return found.endsWith('.json') ? readJson(found, name) : settingsOf(await load(found, name), name);
}

/** The file that is read as the configuration; undefined where there is none. `named` is `SALLYPORT_CONFIG`. */
export const configFilePath = (folder: string, named: string | undefined): string | undefined =>
  named ? resolve(folder, named) : firstOf(NAMES, folder);

const firstOf = (names: readonly string[], folder: string): string | undefined =>
  names.map((name) => resolve(folder, name)).find(existsSync);

const readJson = (path: string, name: string): Promise<unknown> =>
  readFile(path, 'utf8')
    .then(JSON.parse)
    .catch((error: unknown) => {
      const isSyntax = error instanceof SyntaxError;
      throw isSyntax
        ? failed(name, path, 'is not JSON', jsonFailure(error, path))
        : new ConfigFileError(`${name}: cannot be read`, null, error);
    });

/** A function, a promise or a list where settings are expected would make each missing setting a problem of its own. */
function settingsOf({ default: settings }: { readonly default?: unknown }, name: string): unknown {
  if (settings === undefined) throw new ConfigFileError(`${name}: has no default export`);
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings) && !('then' in settings)) {
    return settings;
  }
  throw new ConfigFileError(
    `${name}: the default export must be an object of settings, as defineConfig({ … }) returns it, and not ${kindOf(settings)}`,
  );
}

function kindOf(value: unknown): string {
  if (typeof value === 'function') return 'a function: call it';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a promise: await it';
  return value === null ? 'null' : `a ${typeof value}`;
}

/** No copy of a file that may hold secrets is left in a cache. */
const OPTIONS = { interopDefault: false, fsCache: false };

async function load(path: string, name: string): Promise<{ readonly default?: unknown }> {
  const { href } = pathToFileURL(path);
  const isTypeScript = /\.[cm]?ts$/.test(path);
  try {
    if (!isTypeScript) return await import(href);
    // Node 20 cannot run TypeScript by itself; loaded only here, because it costs 60 ms.
    const { createJiti } = await import('jiti');
    return await createJiti(href, OPTIONS).import(path);
  } catch (error) {
    const { createJiti } = await import('jiti');
    const jiti = createJiti(href, { ...OPTIONS, sourceMaps: true });
    const parse: Transform = (source, filename) => jiti.transform({ source, filename, ts: isTypeScript, async: true });
    const failure = explainFailure(error, path, parse, isTypeScript);
    throw failed(
      name,
      path,
      failure.name === 'Error' ? 'cannot be loaded' : `cannot be loaded (${failure.name})`,
      failure,
      error,
    );
  }
}

/** With the position in front, as editors and terminals make a link of it. */
function failed(name: string, path: string, what: string, failure: LoadFailure, cause?: unknown): ConfigFileError {
  const { place } = failure;
  const file = place === null || place.path === path ? name : relative(dirname(path), place.path);
  const position = place === null ? '' : `:${place.line}${place.column === undefined ? '' : `:${place.column}`}`;
  return new ConfigFileError(`${file}${position}: ${what}`, failure, cause);
}
