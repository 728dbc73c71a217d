import type { ChannelModule } from '../channels/module.ts';
import { namesOf } from '../channels/registry.ts';
import { defined } from '../core/defined.ts';
import { codeOf } from '../core/errors.ts';
import { createRemedyOf, type RemedyTables } from '../core/remedies.ts';
import { networkRemedies } from '../net/remedies.ts';
import { isSamePerson, type Person } from '../queue/erasure.ts';
import { startLeader } from '../queue/leader.node.ts';
import { createBudgetOverrides } from '../queue/records/budget-overrides.ts';
import { createIdempotencyKeys, type IdempotencyKeys } from '../queue/records/idempotency-keys.ts';
import { createKeeperReports } from '../queue/records/keeper-reports.ts';
import { createPolicyVersions } from '../queue/records/policy-versions.ts';
import { mountAudit } from '../server/api/audit.ts';
import { mountBudgets } from '../server/api/budgets.ts';
import { mountChat } from '../server/api/chat.ts';
import { createEndpoint } from '../server/api/endpoint.ts';
import { mountEvents } from '../server/api/events.ts';
import { mountGuardrails } from '../server/api/guardrails.ts';
import { createRunOnce } from '../server/api/idempotency.ts';
import { createContentReads } from '../server/api/refusals.ts';
import { type HeldRecord, mountReviews } from '../server/api/reviews.ts';
import { mountRevocations } from '../server/api/revocations.ts';
import { mountSubscriptions } from '../server/api/subscriptions.ts';
import { mountUsers } from '../server/api/users.ts';
import type { DeliverDeps, HookDeps } from '../server/hooks/hooks.ts';
import type { App } from '../server/http/context.ts';
import type { ApiGuard } from '../server/limits/api-guard.ts';
import { isGuardrail } from '../workers/agents/definition.ts';
import { createMemory } from '../workers/agents/memory/memory.ts';
import { agentRemedies, guardrailRemedies, modelRemedies } from '../workers/remedies.ts';
import { openAuthorize, openRevocations } from './api-tokens.ts';
import { configuredPolicy, configuredReview } from './policies.ts';
import type { Runtime } from './runtime.node.ts';

/** What to do about failures of these channels and of everything else that a worker asks. */
export const remedyTables = (modules: readonly ChannelModule[]): RemedyTables => ({
  channels: Object.fromEntries(modules.map(({ name, remedies = {} }) => [name, remedies])),
  model: modelRemedies,
  agent: agentRemedies,
  guardrail: guardrailRemedies,
  network: networkRemedies,
});

/** The API: every route behind a token. `doors`: what a caller's delivery passes; `channel` finds where it goes. */
export function controlRoutes(
  runtime: Runtime,
  doors: DeliverDeps,
  channel: HookDeps['channel'],
  guard: ApiGuard,
): readonly ((app: App) => void)[] {
  const { config, plugs, identifier, store, audit, scrub, log } = runtime;
  const revocations = openRevocations(runtime);
  const keys = createIdempotencyKeys(store.records, Date.now);
  forgetKeys(runtime, keys);
  const runOnce = createRunOnce({ keys, digest: identifier.digest, newRequestId: doors.newRequestId });
  const endpoint = createEndpoint(openAuthorize(runtime, revocations, doors.sourceOf, guard), runOnce);
  const { tenants } = config;
  const tellRead = createContentReads(audit);
  const channelNames = namesOf(plugs.modules);
  const policyOf = configuredPolicy(config);
  return [
    mountEvents({
      events: store.events,
      endpoint,
      audit,
      tellRead,
      channelNames,
      remedyOf: createRemedyOf(remedyTables(plugs.modules)),
    }),
    ...plugs.modules.flatMap(({ name, callers }) => {
      if (callers === undefined) return [];
      const { message } = callers;
      return [
        mountChat({
          ...doors,
          endpoint,
          events: store.events,
          channel: (tenant) => channel(name, tenant, []),
          message,
        }),
      ];
    }),
    mountAudit({ audit: store.audit, endpoint }),
    mountReviews({
      events: store.events,
      reviews: store.reviews,
      endpoint,
      reviewPolicy: configuredReview(config),
      identifier,
      clean: (text) => scrub(text).value,
      checkReply: createReplyCheck(runtime),
      clock: Date.now,
      audit,
      tellRead,
      logger: log,
    }),
    mountRevocations({
      revocations,
      endpoint,
      clean: (text) => scrub(text).value,
      audit,
      clock: Date.now,
      logger: log,
    }),
    mountUsers({
      erasure: store.erasure,
      events: store.events,
      keys,
      forgetTurns: createForgetTurns(runtime),
      digest: identifier.digest,
      endpoint,
      channelNames,
      audit,
      newRequestId: doors.newRequestId,
      logger: log,
    }),
    mountSubscriptions({ reports: createKeeperReports(store.records), endpoint, clock: Date.now }),
    mountGuardrails({ policies: createPolicyVersions(store.records), endpoint, audit, logger: log }),
    mountBudgets({
      ledger: store.ledger,
      overrides: createBudgetOverrides(store.records),
      endpoint,
      configured: (tenant) => policyOf(tenant).limits,
      channelsOf: (tenant) => channelNames.filter((name) => Object.hasOwn(tenants[tenant] ?? {}, name)),
      isAlone: (tenant) => Object.keys(tenants).every((name) => name === tenant),
      audit,
      logger: log,
    }),
  ];
}

/** How often idempotency keys whose time is over are dropped, in ms. */
const FORGET_EVERY_MS = 3_600_000;
/** Life of the lease without renewal, in ms. Turns are so rare that it need not be renewed more often. */
const FORGET_LEASE_MS = 600_000;

/** Drops them on one ingress at a time, until the process stops. They are not looked at any more either way. */
function forgetKeys({ config, store, log, drain }: Runtime, keys: IdempotencyKeys): void {
  const leader = startLeader({
    acquire: store.lease.acquire,
    name: 'idempotency-forget',
    everyMs: FORGET_EVERY_MS,
    firstAfterMs: FORGET_EVERY_MS,
    leaseMs: FORGET_LEASE_MS,
    async turn(signal) {
      for (const tenant of Object.keys(config.tenants)) {
        signal.throwIfAborted();
        await keys.forget(tenant);
      }
    },
    onError: (error) => log.warn({ code: codeOf(error) }, 'idempotency.forget-failed'),
  });
  drain.signal.addEventListener('abort', () => void leader.close(), { once: true });
}

/** Drops what conversations remember of a person. */
function createForgetTurns({ config, store, identifier }: Runtime): (person: Person) => Promise<number> {
  const { turns, bytes, age: ageMs } = config.agent.memory;
  const bounds = { turns, bytes, ageMs };
  const memory = createMemory({ records: store.records, digest: identifier.digest, clock: Date.now, bounds });
  return ({ tenant, channel, user }) =>
    memory.forget(tenant, (turn, of) => of === channel && isSamePerson(turn.author, user));
}

/** What a reviewer may wait for an answer of the API, in ms. */
const CHECK_MS = 20_000;

/**
 * What a reply of the event's agent passes, for a text a reviewer wrote in its place.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE
 */
function createReplyCheck(runtime: Runtime): (record: HeldRecord, text: string, by: string) => Promise<string> {
  const { config, scrub, audit } = runtime;
  // Loaded when the first text is edited: an ingress that never sees one does without their packages.
  const load = once(async () => {
    const [{ guardText }, { createTrail }, { guardrailsOf }] = await Promise.all([
      import('../workers/guardrails/guardrails.ts'),
      import('../workers/audit-trail.ts'),
      import('./guardrails.node.ts'),
    ]);
    return { guardText, createTrail, guardrailsWith: guardrailsOf(runtime) };
  });
  return async ({ event: { tenant, id }, runs }, text, by) => {
    const { guardText, createTrail, guardrailsWith } = await load();
    const trail = createTrail();
    const agent = runs.findLast((run) => run.agent !== undefined)?.agent ?? '';
    const definition = config.agents.find(({ name }) => name === agent);
    const instructions = agent === 'assistant' ? config.agent.instructions : definition?.instructions;
    const check = guardText(guardrailsWith(definition?.guardrails.filter(isGuardrail) ?? []), {
      stage: 'output',
      tenant,
      agent,
      text: scrub(text).value,
      signal: AbortSignal.timeout(CHECK_MS),
      trail,
      ...defined({ instructions }),
    });
    const passed = await check.finally(() =>
      audit(
        tenant,
        trail.noted.map((noted) => ({ ...noted, actor: `user:${by}`, subject: id })),
      ),
    );
    return scrub(passed).value;
  };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= work();
    return made;
  };
}
