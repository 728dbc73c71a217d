import { configSchema } from './schema.ts';
import { type Environment, isGiven, settingAt, variablesOf } from './variables.ts';

/** The environment's names for everything that can be set. */
export const allVariables = variablesOf(configSchema);

/** Variables of ours that are no settings: they belong to commands. */
const notSettings: ReadonlySet<string> = new Set([
  'SALLYPORT_CONFIG',
  'SALLYPORT_URL',
  'SALLYPORT_URL_INSECURE',
  'SALLYPORT_TOKEN',
  'SALLYPORT_TOKEN_FILE',
  'SALLYPORT_AUDIT_PUBLIC_KEY',
]);

/** What Kubernetes sets for services whose names begin with ours. Names of ports have 15 characters (RFC 6335, 5.1). */
const SERVICE_LINK = /_(?:SERVICE_(?:HOST|PORT(?:_\w{1,15})?)|PORT(?:_\d{1,5}_(?:TCP|UDP|SCTP)(?:_\w{1,8})?)?)$/;

const isSecretFile = (name: string): boolean =>
  name.endsWith('_FILE') && allVariables.secret.includes(name.slice(0, -'_FILE'.length));

/** A variable that looks like a setting and is none. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting whose name is spelled almost like it. */
  readonly meant?: string;
}

/** Shorter names are too much like others: `POST` is no misspelt `PORT`. */
const LEAST_CHARS = 8;
/** Letters that are wrong, missing, added or exchanged with their neighbour. */
const MOST_TYPOS = 2;

/**
 * Variables that look like settings and are none, which would be ignored without a word: those that begin like ours, and those
 * whose name is one or two typing errors away from that of a setting.
 */
export function unknownSettings(environment: Environment): UnknownSetting[] {
  const known = [...Object.keys(allVariables.paths), ...notSettings];
  return Object.keys(environment).flatMap((name): UnknownSetting[] => {
    if (known.includes(name) || isSecretFile(name) || SERVICE_LINK.test(name)) return [];
    const [meant] = known
      .filter((one) => one.length >= LEAST_CHARS && !environment[one])
      .map((one) => ({ one, typos: typosBetween(name, one) }))
      .filter(({ typos }) => typos <= MOST_TYPOS)
      .sort((a, b) => a.typos - b.typos);
    if (meant !== undefined) return [{ name, meant: meant.one }];
    return name.startsWith('SALLYPORT_') ? [{ name }] : [];
  });
}

/** The optimal string alignment distance, or more than `MOST_TYPOS` where the lengths alone say so. */
function typosBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_TYPOS) return MOST_TYPOS + 1;
  let [before, above]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}

/** A default that does not stand beside the other setting: the schema takes one of the two. */
const excludedBy: Readonly<Record<string, string | undefined>> = { SALLYPORT_JWT_SECRET: 'SALLYPORT_JWT_JWKS_URL' };

/** The environment with what `defaults` say where neither it nor the file says anything. */
export function withDefaults(file: unknown, environment: Environment, defaults: Environment): Environment {
  const isSet = (name: string): boolean =>
    isGiven(name, environment, allVariables) || settingAt(file, allVariables.paths[name] ?? []) !== undefined;
  const missing = Object.entries(defaults).filter(([name]) => {
    const other = excludedBy[name];
    return !isSet(name) && (other === undefined || !isSet(other));
  });
  return { ...environment, ...Object.fromEntries(missing) };
}
