import * as z from 'zod';
import type { ChannelModule } from '../channels/module.ts';
import { channelModules, channelNames, channelSettings, channelWindows } from '../channels/registry.ts';
import type { ChannelName } from '../core/event.ts';
import { settleMs } from '../core/reply-timing.ts';
import { tenantName } from '../core/setting-values.ts';
import { outboundSchema } from '../net/settings.ts';
import { auditSchema, logLevel, metricsToken, readySchema } from '../ops/settings.ts';
import { edgeSchema } from '../queue/edge/settings.ts';
import { keysSchema, maxAge, retention, storeSchema, tenantRetention } from '../queue/settings.ts';
import { limitsSchema } from '../server/limits/settings.ts';
import { relaySchema } from '../server/relay/settings.ts';
import { apiSchema, serverSchema } from '../server/settings.ts';
import { agentSchema, agentsSchema, checkTenantAgents, tenantAgents } from '../workers/agents/settings.ts';
import { globalBudgetSchema, pricesSchema, tenantBudgetSchema } from '../workers/budget/settings.ts';
import { guardrailsSchema } from '../workers/guardrails/settings.ts';
import { reviewSchema } from '../workers/review/settings.ts';
import { concurrency, disclosure, keeperSchema, tenantDisclosure, workerSchema } from '../workers/settings.ts';
import { toolsSchema } from '../workers/tools/settings.ts';

const tenant = z.strictObject({
  ...channelSettings,
  budget: tenantBudgetSchema,
  review: reviewSchema,
  retention: tenantRetention,
  disclosure: tenantDisclosure,
  ...tenantAgents,
});

const settings = z.strictObject({
  server: serverSchema,
  store: storeSchema,
  keys: keysSchema,
  windows: z.strictObject(channelWindows).prefault({}),
  keeper: keeperSchema,
  maxAge,
  retention,
  audit: auditSchema,
  concurrency,
  worker: workerSchema,
  api: apiSchema,
  limits: limitsSchema,
  relay: relaySchema,
  edge: edgeSchema,
  outbound: outboundSchema,
  metricsToken,
  ready: readySchema,
  logLevel,
  agent: agentSchema,
  guardrails: guardrailsSchema,
  tools: toolsSchema,
  agents: agentsSchema(channelNames),
  disclosure,
  budget: globalBudgetSchema,
  prices: pricesSchema,
  tenants: z.record(tenantName, tenant).default({}),
});

/**
 * An attempt whose reply has an unknown outcome waits until it is settled. An event that is too old by then would
 * expire, and its reply would stay unknown.
 */
function checkReplyTimeout({ maxAge: maxAgeMs, worker, tenants }: Timed, context: z.RefinementCtx): void {
  const path = ['worker', 'replyTimeout'];
  if (context.issues.some((issue) => issue.path?.join() === path.join())) return;
  const modules: readonly ChannelModule[] = channelModules;
  for (const { name, timing, callers } of modules) {
    // A reply that is only kept cannot be lost on its way.
    if (callers !== undefined || Object.values(tenants).every((one) => one[name] === undefined)) continue;
    const settledMs = settleMs(worker.replyTimeout, timing);
    if (settledMs < maxAgeMs) continue;
    context.addIssue({
      code: 'custom',
      path,
      message: `is too long for SALLYPORT_MAX_AGE: a lost ${name} reply is settled after ${settledMs / 1000} s`,
    });
  }
}

interface Timed {
  readonly maxAge: number;
  readonly worker: { readonly replyTimeout: number };
  readonly tenants: Readonly<Record<string, Readonly<Partial<Record<ChannelName, unknown>>>>>;
}

/** The whole configuration, for a file and for the environment alike. Each room declares what can be set of it. */
export const configSchema = settings.superRefine(checkTenantAgents).superRefine(checkReplyTimeout);

/** Every setting, parsed once and frozen. Durations are milliseconds, sizes bytes. */
export type Config = z.output<typeof configSchema>;
/** What `defineConfig` takes: durations as `72h`, sizes as `1MiB`. */
export type ConfigInput = z.input<typeof configSchema>;
