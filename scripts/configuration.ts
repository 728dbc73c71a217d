// Writes the tables of docs/configuration.md, and the names that values of the Helm chart may have, from the settings as the
// code declares them: `npm run docs:configuration`. In the page, between two marks, `<!-- settings: server logLevel -->` and
// `<!-- /settings -->`, stand those whose path begins so.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod';
import { type DeclaredSetting, declaredSettings } from '../src/config/declared.ts';
import { configSchema } from '../src/config/schema.ts';

const FILE = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
const CHART_FILE = fileURLToPath(new URL('../deploy/helm/sallyport/values.schema.json', import.meta.url));

const SECTION = /(<!-- settings: ([^\n]*) -->\n)[\s\S]*?(<!-- \/settings -->)/g;

/**
 * The page with its tables written anew.
 * @throws Error when a setting stands in no table, or in several
 */
export function withTables(page: string): string {
  const settings = declaredSettings(configSchema);
  const shown = new Map(settings.map((one) => [one, 0]));
  const written = page.replace(SECTION, (_, start: string, prefixes: string, end: string) => {
    const within = prefixes.split(' ').flatMap((prefix) => settings.filter((one) => isBelow(one, prefix)));
    for (const one of within) shown.set(one, (shown.get(one) ?? 0) + 1);
    return `${start}${table(within)}${end}`;
  });
  const wrong = settings.filter((one) => shown.get(one) !== 1).map(({ path }) => path.join('.'));
  if (wrong.length > 0) throw new Error(`in no table of docs/configuration.md, or in several: ${wrong.join(', ')}`);
  return written;
}

function isBelow({ path }: DeclaredSetting, prefix: string): boolean {
  const dotted = path.join('.');
  return dotted === prefix || dotted.startsWith(`${prefix}.`);
}

const table = (settings: readonly DeclaredSetting[]): string =>
  [
    '| variable | in a file | default | secret | meaning |',
    '|---|---|---|---|---|',
    ...settings.map((one) => {
      const { env, path, secret, description } = one;
      const cells = [
        env === undefined ? '' : `\`${env}\``,
        `\`${path.join('.')}\``,
        defaultOf(one),
        secret ? 'yes' : '',
        description,
      ];
      return `| ${cells.join(' | ')} |`.replace(/ {2,}/g, ' ');
    }),
    '',
  ].join('\n');

function defaultOf({ default: said, schema }: DeclaredSetting): string {
  if (said !== undefined) return said;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type !== 'default' && def.type !== 'prefault') return def.type === 'optional' ? '–' : 'required';
  const value: unknown = def.defaultValue;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return String(value);
}

/** Settings that values of the chart must not say: the chart says them itself, or they make a cluster lose what it accepted. */
const NOT_IN_VALUES: ReadonlySet<string> = new Set([
  ...['HOST', 'PORT', 'SALLYPORT_WORKER_PORT', 'SALLYPORT_GRACE', 'SALLYPORT_DATA_DIR', 'SALLYPORT_ALLOW_UNSAFE_REDIS'],
  ...['SALLYPORT_TLS_CERT', 'SALLYPORT_TLS_KEY', 'SALLYPORT_TLS_CLIENT_CA'],
]);

/** What else a value must be; regular expressions as Go has them, which reads them. */
const RESTRICTED: Readonly<Record<string, object | undefined>> = {
  SALLYPORT_CORS_ORIGINS: { description: 'no wildcard', not: { pattern: '\\*' } },
  SALLYPORT_TRUSTED_PROXIES: {
    description: 'no network larger than /8, or /16 of IPv6',
    not: { pattern: '/0*[0-7]\\s*(,|$)|:[^,]*/0*([89]|1[0-5])\\s*(,|$)' },
  },
};

/** The schema of the chart's values with the names of settings and of secrets written anew. */
export function withSettings(schema: string): string {
  const parsed = JSON.parse(schema) as { $defs: Record<string, unknown> };
  const named = declaredSettings(configSchema).flatMap(({ env, path, secret }) =>
    env === undefined || path[0] === 'edge' || NOT_IN_VALUES.has(env) ? [] : [{ env, isSecret: secret === true }],
  );
  const reference = (to: string) => ({ $ref: `#/$defs/${to}` });
  const only = (properties: object) => ({ type: 'object', additionalProperties: false, properties });
  const settings = only(
    Object.fromEntries(
      named
        .filter(({ isSecret }) => !isSecret)
        .map(({ env }) => {
          const more = RESTRICTED[env];
          return [env, more === undefined ? reference('setting') : { allOf: [reference('setting'), more] }];
        }),
    ),
  );
  // OpenTelemetry's variables are not settings of ours (docs/traces.md). Those with headers hold tokens.
  const traces = { patternProperties: { '^OTEL_[A-Z_]+$': reference('setting') } };
  parsed.$defs.settings = { ...settings, ...traces, propertyNames: { not: { pattern: '^OTEL_.*HEADERS$' } } };
  const secrets = named.filter(({ isSecret }) => isSecret).map(({ env }) => [env, reference('secret')]);
  parsed.$defs.secrets = only(Object.fromEntries(secrets));
  return `${JSON.stringify(parsed, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(FILE, withTables(await readFile(FILE, 'utf8')));
  await writeFile(CHART_FILE, withSettings(await readFile(CHART_FILE, 'utf8')));
}
