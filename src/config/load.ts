import type { ChannelModule } from '../channels/module.ts';
import { channelModules } from '../channels/registry.ts';
import { needModel } from '../workers/agents/settings.ts';
import { allVariables, withDefaults } from './environment.ts';
import { settingsWithoutEffect } from './no-effect.ts';
import { deepFreeze, EXPECTED, plainly, problemsOf } from './problems.ts';
import { type Config, configSchema } from './schema.ts';
import { type Environment, isRecord, overlay, settingAt } from './variables.ts';

/** What a role cannot do without, beyond what the schema asks of everybody. */
export type Role = 'dev' | 'ingress' | 'worker' | 'all' | 'tool';

export type Loaded =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Names of settings that are given and do nothing with the rest of the configuration. */
      readonly withoutEffect: readonly string[];
    }
  /** `SETTING: what is wrong`, every problem at once, no value in any of them. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Parses file and environment into one frozen value. `defaults` stand behind both: what `dev` makes up. */
export function loadConfig(file: unknown, environment: Environment, role: Role, defaults: Environment = {}): Loaded {
  const effective = withDefaults(file, environment, defaults);
  const input = overlay(file, effective, allVariables);
  // What is missing from something that holds no settings at all would only hide the one mistake.
  if (!isRecord(input)) return { ok: false, problems: [`configuration: ${EXPECTED.object}`] };
  const parsed = configSchema.safeParse(input, { error: plainly });
  const wrong = parsed.error?.issues.flatMap((issue) => problemsOf(issue, effective, input, allVariables)) ?? [];
  const problems = [...new Set([...wrong, ...missingFor(role, input)])];
  return parsed.success && problems.length === 0
    ? {
        ok: true,
        config: deepFreeze(parsed.data),
        withoutEffect: settingsWithoutEffect(parsed.data, file, environment),
      }
    : { ok: false, problems };
}

const notChannels: ReadonlySet<string> = new Set(['budget', 'review', 'agents', 'tools', 'retention']);

/** Looks at the input, which may be wrong in any other way: what is missing is told together with what is wrong. */
function missingFor(role: Role, input: unknown): string[] {
  if (role === 'tool') return [];
  const problems: string[] = [];
  const need = (setting: string, path: readonly string[], why: string): void => {
    if (settingAt(input, path) === undefined) problems.push(`${setting}: is required ${why}`);
  };
  need('SALLYPORT_SEAL_KEY', ['keys', 'seal'], '(sallyport keygen prints one)');
  need('SALLYPORT_ID_KEY', ['keys', 'id'], '(sallyport keygen prints one)');
  const tenants = Object.values(settingAt(input, ['tenants']) ?? {});
  const isChannel = ([name, settings]: [string, unknown]): boolean => !notChannels.has(name) && settings !== undefined;
  if (!tenants.some((tenant) => Object.entries(tenant ?? {}).some(isChannel))) {
    problems.push('SLACK_SIGNING_SECRET: no channel is configured; set this or describe tenants in sallyport.config');
  }
  for (const { name, publicUrlFor } of channelModules as readonly ChannelModule[]) {
    const [why] = tenants.flatMap((tenant) => publicUrlFor?.(settingAt(tenant, [name])) ?? []);
    if (why !== undefined) need('SALLYPORT_PUBLIC_URL', ['server', 'publicUrl'], why);
  }
  const llm = {
    baseUrl: settingAt(input, ['agent', 'llm', 'baseUrl']),
    model: settingAt(input, ['agent', 'llm', 'model']),
  };
  needModel(settingAt(input, ['agent', 'kind']), llm, settingAt(input, ['agents']), need);
  return problems;
}
