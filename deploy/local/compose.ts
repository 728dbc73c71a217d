import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';

const texts = z.array(z.string());
const environment = z.record(z.string(), z.string());

/** What is read of a service; what is not named here is for Docker alone. */
const serviceSchema = z.object({
  image: z.string().optional(),
  build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
  command: texts.default([]),
  env_file: texts.default([]),
  environment: environment.default({}),
  healthcheck: z.object({ test: texts }),
  secrets: texts.default([]),
  volumes: texts.default([]),
  tmpfs: texts.default([]),
  networks: z.union([texts, z.record(z.string(), z.object({ ipv4_address: z.string().optional() }))]),
  depends_on: z.record(z.string(), z.unknown()).default({}),
  expose: texts.default([]),
  ports: texts.default([]),
  stop_grace_period: z.string().default('10s'),
});

const schema = z.object({
  services: z.record(z.string(), serviceSchema),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
});

export type ComposeService = z.infer<typeof serviceSchema>;
export type Compose = z.infer<typeof schema> & {
  /** Where relative paths start: the folder of the first file. */
  readonly folder: string;
};

type Tree = { readonly [name: string]: unknown };

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads compose files as `docker compose --file A --file B` does, as far as ours need it: the later file wins, and
 * `variables` are put in.
 *
 * @throws Error if a file cannot be read, or needs a variable that is missing or empty
 */
export function readCompose(files: readonly string[], variables: Readonly<Record<string, string>>): Compose {
  const [first = ''] = files;
  const trees = files.map((file) => parse(readFileSync(file, 'utf8'), { merge: true }) as Tree);
  const merged = trees.reduce((before, after) => merge(before, after) as Tree);
  const { services, secrets } = schema.parse(
    interpolate({ services: merged.services, secrets: merged.secrets }, variables),
  );
  return { services, secrets, folder: resolve(dirname(first)) };
}

/** Lists that grow by what a later file says. Others, such as `command`, are replaced. */
const GROWING: ReadonlySet<string> = new Set(['secrets', 'volumes']);

function merge(before: unknown, after: unknown, name = ''): unknown {
  if (isTree(before) && isTree(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return Object.fromEntries(names.map((key) => [key, merge(before[key], after[key], key)]));
  }
  if (Array.isArray(before) && Array.isArray(after) && GROWING.has(name)) {
    // A volume replaces the one that has the same place in the container.
    const places = new Set(after.map(targetOf));
    return [...before.filter((item) => !places.has(targetOf(item))), ...after];
  }
  return after === undefined ? before : after;
}

const targetOf = (item: unknown): string => partsOf(String(item)).target;

/** Source and target of `SOURCE:TARGET[:ro]`, where the source may be a variable with a default. */
export function partsOf(volume: string): { readonly source: string; readonly target: string } {
  const [, source = volume, target = volume] = /^((?:\$\{[^}]*\}|[^:])*):([^:]*)(?::\w+)?$/.exec(volume) ?? [];
  return { source, target };
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, where an empty variable counts as absent. */
const VARIABLE = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

function interpolate(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(VARIABLE, (_, name: string, sign: string | undefined, text: string = '') => {
      const given = variables[name] ?? '';
      if (given !== '') return given;
      if (sign === '?') throw new Error(`${name}: is missing; ${text}`);
      return text;
    });
  }
  if (Array.isArray(value)) return value.map((item) => interpolate(item, variables));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, interpolate(item, variables)]));
}
