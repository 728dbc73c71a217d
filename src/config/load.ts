import { type Environment, overlayEnvironment, settingName } from './environment.ts';
import { type Config, configSchema } from './schema.ts';

/** What a role cannot do without, beyond what the schema asks of everybody. */
export type Role = 'dev' | 'ingress' | 'worker' | 'all' | 'tool';

export type Loaded =
  | { readonly ok: true; readonly config: Config }
  /** `SETTING: what is wrong`, every problem at once, no value in any of them. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Parses file and environment into one frozen value. */
export function loadConfig(file: unknown, environment: Environment, role: Role): Loaded {
  const parsed = configSchema.safeParse(overlayEnvironment(file, environment));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      // An unknown key's name is the operator's own spelling, not a value; without it the message would help nobody.
      const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
      const message =
        issue.code === 'unrecognized_keys'
          ? 'is not a setting'
          : issue.code === 'invalid_key'
            ? (issue.issues[0]?.message ?? issue.message)
            : issue.message;
      return `${settingName(path, environment)}: ${message}`;
    });
    return { ok: false, problems: [...new Set(problems)] };
  }
  const problems = missingFor(role, parsed.data);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: deepFreeze(parsed.data) };
}

function missingFor(role: Role, config: Config): string[] {
  if (role === 'tool') return [];
  const problems: string[] = [];
  if (config.keys.seal === undefined) problems.push('SALLYPORT_SEAL_KEY: is required (sallyport keygen prints one)');
  if (config.keys.id === undefined) problems.push('SALLYPORT_ID_KEY: is required (sallyport keygen prints one)');
  if (!Object.values(config.tenants).some((tenant) => Object.values(tenant).some((channel) => channel !== undefined))) {
    problems.push('SLACK_SIGNING_SECRET: no channel is configured; set this or describe tenants in sallyport.config');
  }
  for (const [name, tenant] of Object.entries(config.tenants)) {
    if (tenant.graph !== undefined && tenant.graph.subscriptions.length > 0 && config.server.publicUrl === undefined) {
      problems.push('SALLYPORT_PUBLIC_URL: is required to keep Graph subscriptions');
    }
    for (const [index, entry] of (tenant.slack?.installations ?? []).entries()) {
      if ((entry.teamId === undefined) === (entry.enterpriseId === undefined)) {
        problems.push(`tenants.${name}.slack.installations.${index}: needs exactly one of teamId and enterpriseId`);
      }
    }
  }
  return problems;
}

function deepFreeze<T>(value: T): T {
  // Byte arrays hold keys; typed arrays cannot be frozen, and nobody writes to them.
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
