import { gmailEnvironment, gmailRefinements } from '../channels/gmail/settings.ts';
import { graphEnvironment, graphRefinements } from '../channels/graph/settings.ts';
import { slackEnvironment, slackRefinements } from '../channels/slack/settings.ts';
import { teamsEnvironment, teamsRefinements } from '../channels/teams/settings.ts';
import { auditEnvironment } from '../ops/settings.ts';
import { agentEnvironment, agentRefinements } from '../workers/agents/settings.ts';
import { budgetEnvironment } from '../workers/budget/settings.ts';
import { guardrailsEnvironment } from '../workers/guardrails/settings.ts';
import { reviewEnvironment } from '../workers/review/settings.ts';

/** The environment's names for settings, each with its place in the configuration. */

type Path = readonly string[];

export const environmentPaths: Readonly<Record<string, Path>> = {
  PORT: ['server', 'port'],
  HOST: ['server', 'host'],
  SALLYPORT_WORKER_PORT: ['server', 'workerPort'],
  SALLYPORT_PUBLIC_URL: ['server', 'publicUrl'],
  SALLYPORT_TRUSTED_PROXIES: ['server', 'trustedProxies'],
  SALLYPORT_BODY_LIMIT: ['server', 'bodyLimit'],
  SALLYPORT_BODY_TIMEOUT: ['server', 'bodyTimeout'],
  SALLYPORT_GRACE: ['server', 'grace'],
  SALLYPORT_OUTCOME_HEADERS: ['server', 'outcomeHeaders'],
  SALLYPORT_FAILURES_PER_MINUTE: ['server', 'failuresPerMinute'],
  SALLYPORT_REDIS_URL: ['store', 'redisUrl'],
  SALLYPORT_REDIS_SHARDS: ['store', 'shards'],
  SALLYPORT_REDIS_PREFIX: ['store', 'prefix'],
  SALLYPORT_MIN_REPLICAS: ['store', 'minReplicas'],
  SALLYPORT_ALLOW_UNSAFE_REDIS: ['store', 'allowUnsafe'],
  SALLYPORT_DATA_DIR: ['store', 'dataDir'],
  SALLYPORT_QUEUE_CAP: ['store', 'queueCap'],
  SALLYPORT_SEAL_KEY: ['keys', 'seal'],
  SALLYPORT_ID_KEY: ['keys', 'id'],
  SALLYPORT_WINDOW_SLACK: ['windows', 'slack'],
  SALLYPORT_WINDOW_GRAPH: ['windows', 'graph'],
  SALLYPORT_WINDOW_TEAMS: ['windows', 'teams'],
  SALLYPORT_WINDOW_GMAIL: ['windows', 'gmail'],
  SALLYPORT_MAX_AGE: ['maxAge'],
  SALLYPORT_RETENTION: ['retention'],
  SALLYPORT_CONCURRENCY: ['concurrency'],
  SALLYPORT_LEASE: ['worker', 'lease'],
  SALLYPORT_REPLY_TIMEOUT: ['worker', 'replyTimeout'],
  SALLYPORT_JWT_SECRET: ['api', 'jwtSecret'],
  SALLYPORT_JWT_ISSUER: ['api', 'jwtIssuer'],
  SALLYPORT_JWT_AUDIENCE: ['api', 'jwtAudience'],
  SALLYPORT_METRICS_TOKEN: ['metricsToken'],
  LOG_LEVEL: ['logLevel'],
  ...auditEnvironment,
  ...agentEnvironment,
  ...budgetEnvironment,
  ...guardrailsEnvironment,
  ...reviewEnvironment,
  ...slackEnvironment,
  ...graphEnvironment,
  ...teamsEnvironment,
  ...gmailEnvironment,
};

/**
 * An empty value counts as absent, as compose files pass it for unset variables; not so for these: an empty signing
 * secret or key must stop the start, because an empty HMAC key is one everybody knows.
 */
const emptyIsAnError: ReadonlySet<string> = new Set([
  'SLACK_SIGNING_SECRET',
  'SALLYPORT_SEAL_KEY',
  'SALLYPORT_ID_KEY',
  'SALLYPORT_JWT_SECRET',
  'SALLYPORT_METRICS_TOKEN',
  'SALLYPORT_AGENT_SECRET',
]);

/** A variable that only refines a channel (where its API is) does not switch the channel on. */
const refinements: Readonly<Record<string, string>> = {
  ...slackRefinements,
  ...agentRefinements,
  ...graphRefinements,
  ...teamsRefinements,
  ...gmailRefinements,
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of ours that are no settings: they belong to commands. */
const notSettings: ReadonlySet<string> = new Set([
  'SALLYPORT_CONFIG',
  'SALLYPORT_URL',
  'SALLYPORT_TOKEN',
  'SALLYPORT_AUDIT_PUBLIC_KEY',
]);

/** What Kubernetes sets for services whose names begin with ours. Names of ports have 15 characters (RFC 6335, 5.1). */
const SERVICE_LINK = /_(?:SERVICE_(?:HOST|PORT(?:_\w{1,15})?)|PORT(?:_\d{1,5}_(?:TCP|UDP|SCTP)(?:_\w{1,8})?)?)$/;

/** Names that look like settings of ours and are none: a misspelt one would be ignored without a word. */
export const unknownSettings = (environment: Environment): string[] =>
  Object.keys(environment).filter(
    (name) =>
      name.startsWith('SALLYPORT_') &&
      !Object.hasOwn(environmentPaths, name) &&
      !notSettings.has(name) &&
      !SERVICE_LINK.test(name),
  );

/** The environment with what `defaults` say where neither it nor the file says anything. */
export function withDefaults(file: unknown, environment: Environment, defaults: Environment): Environment {
  const missing = Object.entries(defaults).filter(
    ([name]) => !isGiven(name, environment) && settingAt(file, environmentPaths[name] ?? []) === undefined,
  );
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

const isGiven = (name: string, environment: Environment): boolean =>
  environment[name] !== undefined && (environment[name]?.trim() !== '' || emptyIsAnError.has(name));

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
