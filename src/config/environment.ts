import { type DeclaredSetting, declaredSettings, EACH } from './declared.ts';
import { configSchema } from './schema.ts';

/** The environment's names for settings, each with its place in the configuration. */

type Path = readonly string[];

type WithVariable = DeclaredSetting & { readonly env: string };

const declared = declaredSettings(configSchema).filter((one): one is WithVariable => one.env !== undefined);

/** A variable of a tenant's setting sets that of the tenant `default`. */
const placeOf = ({ path }: DeclaredSetting): Path => path.map((part) => (part === EACH ? 'default' : part));

export const environmentPaths: Readonly<Record<string, Path>> = Object.fromEntries(
  declared.map((one) => [one.env, placeOf(one)]),
);

const named = (isMeant: (one: WithVariable) => boolean): ReadonlySet<string> =>
  new Set(declared.filter(isMeant).map(({ env }) => env));

/** An empty value counts as absent, as compose files pass it for unset variables; not so for these. */
const emptyIsWrong = named((one) => one.emptyIsWrong === true);

/** What a variable with `_FILE` at its end may give as well. */
export const secretVariables: readonly string[] = [...named((one) => one.secret === true)];

/** A variable that only refines a channel (where its API is) does not switch the channel on. */
const refinements: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  declared.map(({ env, refines }) => [env, refines]),
);

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of ours that are no settings: they belong to commands. */
const notSettings: ReadonlySet<string> = new Set([
  'SALLYPORT_CONFIG',
  'SALLYPORT_URL',
  'SALLYPORT_TOKEN',
  'SALLYPORT_TOKEN_FILE',
  'SALLYPORT_AUDIT_PUBLIC_KEY',
]);

/** What Kubernetes sets for services whose names begin with ours. Names of ports have 15 characters (RFC 6335, 5.1). */
const SERVICE_LINK = /_(?:SERVICE_(?:HOST|PORT(?:_\w{1,15})?)|PORT(?:_\d{1,5}_(?:TCP|UDP|SCTP)(?:_\w{1,8})?)?)$/;

const isSecretFile = (name: string): boolean =>
  name.endsWith('_FILE') && secretVariables.includes(name.slice(0, -'_FILE'.length));

/** Names that look like settings of ours and are none: a misspelt one would be ignored without a word. */
export const unknownSettings = (environment: Environment): string[] =>
  Object.keys(environment).filter(
    (name) =>
      name.startsWith('SALLYPORT_') &&
      !Object.hasOwn(environmentPaths, name) &&
      !notSettings.has(name) &&
      !isSecretFile(name) &&
      !SERVICE_LINK.test(name),
  );

/** A default that does not stand beside the other setting: the schema takes one of the two. */
const excludedBy: Readonly<Record<string, string | undefined>> = { SALLYPORT_JWT_SECRET: 'SALLYPORT_JWT_JWKS_URL' };

/** The environment with what `defaults` say where neither it nor the file says anything. */
export function withDefaults(file: unknown, environment: Environment, defaults: Environment): Environment {
  const isSet = (name: string): boolean =>
    isGiven(name, environment) || settingAt(file, environmentPaths[name] ?? []) !== undefined;
  const missing = Object.entries(defaults).filter(([name]) => {
    const other = excludedBy[name];
    return !isSet(name) && (other === undefined || !isSet(other));
  });
  return { ...environment, ...Object.fromEntries(missing) };
}

/** The file's settings with the environment's laid over them. Neither argument is changed. */
export function overlayEnvironment(file: unknown, environment: Environment): unknown {
  const merged = copyOf(file ?? {});
  if (!isRecord(merged)) return merged;
  for (const [name, path] of Object.entries(environmentPaths)) {
    const value = environment[name];
    if (value === undefined || !isGiven(name, environment)) continue;
    const switchedOnBy = refinements[name];
    const isRefinement = switchedOnBy !== undefined && environment[switchedOnBy] === undefined;
    if (isRefinement && settingAt(merged, path.slice(0, -1)) === undefined) continue;
    assign(merged, path, value);
  }
  return merged;
}

/** Whether a variable sets anything. */
export const isGiven = (name: string, environment: Environment): boolean =>
  environment[name] !== undefined && (environment[name]?.trim() !== '' || emptyIsWrong.has(name));

/** What stands at a place of settings that are not parsed yet, or undefined. */
export function settingAt(root: unknown, path: readonly string[]): unknown {
  let at = root;
  for (const part of path) at = isRecord(at) ? at[part] : undefined;
  return at;
}

/** The variable for a place in the configuration, or the place itself in dots. */
export function settingName(path: readonly PropertyKey[], environment: Environment): string {
  const dotted = path.map(String).join('.');
  for (const [name, known] of Object.entries(environmentPaths)) {
    const place = known.join('.');
    const named = dotted === place || dotted.startsWith(`${place}.`);
    if (
      named &&
      (environment[name] !== undefined || known.length <= 2 || settingsBeside(known, environment).length > 0)
    ) {
      return name;
    }
  }
  return dotted === '' ? 'configuration' : dotted;
}

/** The variables that set something beside a place in the configuration; with any, one that is missing is named like them. */
export function settingsBeside(path: readonly PropertyKey[], environment: Environment): string[] {
  const branch = path.slice(0, -1).map(String).join('.');
  return Object.entries(environmentPaths)
    .filter(([name, known]) => isGiven(name, environment) && known.slice(0, -1).join('.') === branch)
    .map(([name]) => name);
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
