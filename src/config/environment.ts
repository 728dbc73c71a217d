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

/** Names that look like settings of ours and are none: a misspelt one would be ignored without a word. */
export const unknownSettings = (environment: Environment): string[] =>
  Object.keys(environment).filter(
    (name) =>
      name.startsWith('SALLYPORT_') &&
      !Object.hasOwn(allVariables.paths, name) &&
      !notSettings.has(name) &&
      !isSecretFile(name) &&
      !SERVICE_LINK.test(name),
  );

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
