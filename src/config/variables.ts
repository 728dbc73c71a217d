import type * as z from 'zod';
import { type DeclaredSetting, declaredSettings, EACH } from './declared.ts';

/** The environment's names for the settings of a schema, each with its place in the configuration. */
export interface Variables {
  readonly paths: Readonly<Record<string, Path>>;
  /** An empty value counts as absent, as compose files pass it for unset variables; not so for these. */
  readonly emptyIsWrong: ReadonlySet<string>;
  /** What a variable with `_FILE` at its end may give as well. */
  readonly secret: readonly string[];
  /** A variable that only refines a channel (where its API is) does not switch the channel on. */
  readonly refinements: Readonly<Record<string, string | undefined>>;
}

type Path = readonly string[];

export type Environment = Readonly<Record<string, string | undefined>>;

type WithVariable = DeclaredSetting & { readonly env: string };

/** A variable of a tenant's setting sets that of the tenant `default`. */
const placeOf = ({ path }: DeclaredSetting): Path => path.map((part) => (part === EACH ? 'default' : part));

/** @throws Error for a value of the schema that is not declared as a setting */
export function variablesOf(schema: z.core.$ZodType): Variables {
  const declared = declaredSettings(schema).filter((one): one is WithVariable => one.env !== undefined);
  const named = (isMeant: (one: WithVariable) => boolean): string[] => declared.filter(isMeant).map(({ env }) => env);
  return {
    paths: Object.fromEntries(declared.map((one) => [one.env, placeOf(one)])),
    emptyIsWrong: new Set(named((one) => one.emptyIsWrong === true)),
    secret: named((one) => one.secret === true),
    refinements: Object.fromEntries(declared.map(({ env, refines }) => [env, refines])),
  };
}

/** The file's settings with the environment's laid over them. Neither argument is changed. */
export function overlay(file: unknown, environment: Environment, variables: Variables): unknown {
  const merged = copyOf(file ?? {});
  if (!isRecord(merged)) return merged;
  for (const [name, path] of Object.entries(variables.paths)) {
    const value = environment[name];
    if (value === undefined || !isGiven(name, environment, variables)) continue;
    const switchedOnBy = variables.refinements[name];
    const isRefinement = switchedOnBy !== undefined && environment[switchedOnBy] === undefined;
    if (isRefinement && settingAt(merged, path.slice(0, -1)) === undefined) continue;
    assign(merged, path, value);
  }
  return merged;
}

/** Whether a variable sets anything. */
export const isGiven = (name: string, environment: Environment, { emptyIsWrong }: Variables): boolean =>
  environment[name] !== undefined && (environment[name]?.trim() !== '' || emptyIsWrong.has(name));

/** The variable for a place in the configuration, or the place itself in dots. */
export function settingName(path: readonly PropertyKey[], environment: Environment, variables: Variables): string {
  const dotted = path.map(String).join('.');
  for (const [name, known] of Object.entries(variables.paths)) {
    const place = known.join('.');
    const named = dotted === place || dotted.startsWith(`${place}.`);
    if (
      named &&
      (environment[name] !== undefined || known.length <= 2 || settingsBeside(known, environment, variables).length > 0)
    ) {
      return name;
    }
  }
  return dotted === '' ? 'configuration' : dotted;
}

/** The variables that set something beside a place in the configuration; with any, one that is missing is named like them. */
export function settingsBeside(path: readonly PropertyKey[], environment: Environment, variables: Variables): string[] {
  const branch = path.slice(0, -1).map(String).join('.');
  return Object.entries(variables.paths)
    .filter(([name, known]) => isGiven(name, environment, variables) && known.slice(0, -1).join('.') === branch)
    .map(([name]) => name);
}

/** What stands at a place of settings that are not parsed yet, or undefined. */
export function settingAt(root: unknown, path: readonly string[]): unknown {
  let at = root;
  for (const part of path) at = isRecord(at) ? at[part] : undefined;
  return at;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Copies the branches; the leaves may be anything a program wrote, functions too. */
const copyOf = (value: unknown): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copyOf(child)])) : value;

/** Leaves alone what is no branch: the schema then says so, instead of the file's mistake being covered up. */
function assign(root: Record<string, unknown>, path: Path, value: string): void {
  let at = root;
  for (const part of path.slice(0, -1)) {
    const next = at[part] === undefined ? {} : at[part];
    if (!isRecord(next)) return;
    at[part] = next;
    at = next;
  }
  at[path.at(-1) ?? ''] = value;
}
