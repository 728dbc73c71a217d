import * as z from 'zod';
import { channelSettings, channelWindows } from '../channels/registry.ts';
import { RELAY_PATH } from '../core/relay.ts';
import { tenantName } from '../core/setting-values.ts';
import { logLevel, metricsToken } from '../ops/settings.ts';
import { edgeSchema } from '../queue/edge/settings.ts';
import { keysSchema } from '../queue/settings.ts';
import { relaySchema } from '../server/relay/settings.ts';
import { serverSchema } from '../server/settings.ts';
import { deepFreeze, EXPECTED, plainly, problemsOf } from './problems.ts';
import { type Environment, isRecord, overlay, settingAt, variablesOf } from './variables.ts';

/**
 * What the edge reads of a configuration. The rest is the origin's: agents, budgets and tools are left out of the bundle, so
 * a file that both share is not checked for them here.
 */
const edgeConfigSchema = z.object({
  server: serverSchema,
  keys: keysSchema,
  windows: z.object(channelWindows).prefault({}),
  relay: relaySchema,
  edge: edgeSchema,
  metricsToken,
  logLevel,
  tenants: z.record(tenantName, z.object(channelSettings)).default({}),
});

export type EdgeConfig = z.output<typeof edgeConfigSchema>;

const variables = variablesOf(edgeConfigSchema);

export type LoadedEdge =
  | { readonly ok: true; readonly config: EdgeConfig }
  /** `SETTING: what is wrong`, every problem at once, no value in any of them. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** What the edge cannot do without, and how to get it. */
const required: readonly (readonly [string, readonly string[], string])[] = [
  ['SALLYPORT_ID_KEY', ['keys', 'id'], 'with the value that the origin has'],
  ['SALLYPORT_SEAL_KEY', ['keys', 'seal'], 'with the value that the origin has'],
  ['SALLYPORT_RELAY_KEY', ['relay', 'keys'], 'with a value that the origin has (sallyport keygen relay prints one)'],
  ['SALLYPORT_RELAY_URL', ['edge', 'relayUrl'], "(the origin's /relay)"],
];

/** Parses a configuration and the bindings of a Worker, which have the names of the environment. */
export function loadEdgeConfig(file: unknown, bindings: Readonly<Record<string, unknown>>): LoadedEdge {
  const environment: Environment = Object.fromEntries(
    Object.entries(bindings).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  const input = overlay(file, environment, variables);
  if (!isRecord(input)) return { ok: false, problems: [`configuration: ${EXPECTED.object}`] };
  const parsed = edgeConfigSchema.safeParse(input, { error: plainly });
  const problems = parsed.error?.issues.flatMap((issue) => problemsOf(issue, environment, input, variables)) ?? [];
  for (const [name, path, why] of required) {
    if (settingAt(input, path) === undefined) problems.push(`${name}: is required ${why}`);
  }
  const { relayUrl } = parsed.data?.edge ?? {};
  // The path is part of what is signed.
  if (relayUrl !== undefined && new URL(relayUrl).pathname !== RELAY_PATH) {
    problems.push(
      `SALLYPORT_RELAY_URL: must have the path ${RELAY_PATH}, such as https://gate.example.com${RELAY_PATH}`,
    );
  }
  if (parsed.success && problems.length === 0) return { ok: true, config: deepFreeze(parsed.data) };
  return { ok: false, problems: [...new Set(problems)] };
}
