import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { remedyTables } from '../../src/app/control.node.ts';
import type { Channel, Reader, Replier } from '../../src/channels/channel.ts';
import { createChatChannel } from '../../src/channels/chat/channel.ts';
import { messageSchema } from '../../src/channels/chat/message.ts';
import { channelModules, channelNames } from '../../src/channels/registry.ts';
import { createSlackChannel, type SlackChannelDeps } from '../../src/channels/slack/module.ts';
import { matchPolicy } from '../../src/channels/slack/receive/relevance.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { type Logger, silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { Rate } from '../../src/core/rate.ts';
import { createRemedyOf } from '../../src/core/remedies.ts';
import type { ReviewPolicy } from '../../src/core/review.ts';
import { noTracer, type Tracer } from '../../src/core/tracer.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { isSamePerson } from '../../src/queue/erasure.ts';
import type { Lease } from '../../src/queue/lease.ts';
import { createBudgetOverrides } from '../../src/queue/records/budget-overrides.ts';
import { createIdempotencyKeys } from '../../src/queue/records/idempotency-keys.ts';
import { createPolicyVersions } from '../../src/queue/records/policy-versions.ts';
import { defaultLimits, type Store, type StoreLimits } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { mountAudit } from '../../src/server/api/audit.ts';
import { mountBudgets } from '../../src/server/api/budgets.ts';
import { mountChat } from '../../src/server/api/chat.ts';
import { createEndpoint } from '../../src/server/api/endpoint.ts';
import { mountEvents } from '../../src/server/api/events.ts';
import { mountGuardrails } from '../../src/server/api/guardrails.ts';
import { createRunOnce } from '../../src/server/api/idempotency.ts';
import { createContentReads } from '../../src/server/api/refusals.ts';
import { mountReviews } from '../../src/server/api/reviews.ts';
import { mountRevocations } from '../../src/server/api/revocations.ts';
import type { TokenSettings } from '../../src/server/api/token.ts';
import { mountUsers } from '../../src/server/api/users.ts';
import { createApp } from '../../src/server/app.ts';
import { mountCallbacks } from '../../src/server/callbacks/callbacks.ts';
import { type BodyLimits, readBodyStream } from '../../src/server/http/body.ts';
import type { App, AppContext } from '../../src/server/http/context.ts';
import { acrossOrigins } from '../../src/server/http/guarded.ts';
import { createApiGuard } from '../../src/server/limits/api-guard.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { echoAgent } from '../../src/workers/agents/echo.ts';
import type { Memory } from '../../src/workers/agents/memory/memory.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { auditOver } from './audit.ts';
import { authorizeOver, revocationsOver } from './authorize.ts';
import { type BudgetOptions, budgetsOver, countedOnly } from './budget.ts';
import { reviewing } from './review.ts';
import { testSources } from './test-sources.ts';

export const SIGNING_SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
export const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';

export interface GateOptions {
  readonly slack?: Partial<SlackChannelDeps>;
  readonly limits?: Partial<StoreLimits>;
  readonly failuresPerMinute?: number;
  /** Of one subject. */
  readonly apiRate?: Rate;
  /** Refused tokens of one source. */
  readonly apiFailures?: Rate;
  readonly bodyTimeoutMs?: number;
  readonly isDraining?: () => boolean;
  /** The worker takes no more heads. */
  readonly isStopping?: () => boolean;
  readonly clock?: () => number;
  /** By which tokens expire; default: the real one, which their makers have as well. */
  readonly tokenClock?: () => number;
  readonly agent?: Agent;
  /** Made over the gate's store, instead of `agent`. */
  readonly agentOver?: (store: Store) => Agent;
  readonly memoryOver?: (store: Store) => Memory;
  /** Stands between the worker and the store's leases. */
  readonly leaseOver?: (lease: Lease) => Lease;
  readonly workerLogger?: Logger;
  /** Aborted: the worker gives back what it runs. */
  readonly shutdown?: AbortSignal;
  /** Secrets of agents that may call back. Absent: there are no callbacks. */
  readonly callbackKeys?: (agent: string) => readonly Uint8Array[];
  readonly budget?: BudgetOptions;
  /** Default: nobody is told of a block. */
  readonly blockedNotice?: string;
  /** Default: replies show none. */
  readonly disclosure?: string;
  readonly review?: Partial<ReviewPolicy>;
  /** Of deliveries and of runs. */
  readonly tracer?: Tracer;
  /** Looks at what a reviewer wrote, cleaned. */
  readonly checkReply?: (text: string) => string;
  /** Of the API. */
  readonly logger?: Logger;
  /** False: other tenants share the installation. */
  readonly isAlone?: boolean;
  readonly replier?: Replier;
  readonly reader?: Reader;
  readonly api?: TokenSettings;
  /** Whose pages may call the API. */
  readonly corsOrigins?: readonly string[];
  /** Further routes, beside the API. */
  readonly mount?: readonly ((app: App) => void)[];
  /** Stands between the gate and its store. */
  readonly over?: (store: Store) => Store;
  /** Stands in for the store; a fresh embedded one otherwise. */
  readonly store?: Store;
}

/** The whole product on the embedded store, without ports and processes. */
export interface Gate {
  readonly app: App;
  readonly store: Store;
  /** Runs whatever is queued, until nothing is left that is due. */
  drain(conversation: { tenant: string; key: string }): Promise<void>;
  stop(): Promise<void>;
}

const key = new Uint8Array(32).fill(7);

/** More requests than a test makes. */
const MANY = { count: 1_000_000, windowMs: 60_000 };

export async function openGate(options: GateOptions = {}): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-gate-'));
  const identifier = createIdentifier(nodeCrypto, key);
  const clock = options.clock ?? Date.now;
  const limits = { ...defaultLimits, ...options.limits };
  const opened =
    options.store ??
    (await openEmbeddedStore({ path: join(folder, 'gate.db'), limits, idCheck: 'test', logger: silentLogger, clock }));
  const store = options.over?.(opened) ?? opened;
  const scrub = createScrubber({ crypto: nodeCrypto, key });
  const sealer = createSealer(nodeCrypto, [key]);
  const slack: Channel = createSlackChannel({
    crypto: nodeCrypto,
    identifier,
    appName: 'slack-app',
    signingSecrets: [SIGNING_SECRET],
    match: matchPolicy(),
    windows: { eventsMs: 72 * 3_600_000, interactionsMs: 3_600_000 },
    bodyLimit: 1024 * 1024,
    outcomeHeaders: true,
    ...options.slack,
  });
  const reviews = reviewing(options.review);
  const audit = auditOver(store, clock);
  const keys = createIdempotencyKeys(store.records, clock);
  const endpoint = createEndpoint(
    authorizeOver(store, {
      settings: { jwtSecret: JWT_SECRET, ...options.api },
      identifier,
      clock: options.tokenClock ?? Date.now,
      guard: createApiGuard({
        limits: store.limits,
        digest: identifier.digest,
        rate: options.apiRate ?? MANY,
        failures: options.apiFailures ?? MANY,
        isShared: () => false,
        clock,
      }),
      ...(options.logger === undefined ? {} : { logger: options.logger }),
    }),
    createRunOnce({ keys, digest: identifier.digest, newRequestId: () => 'request-1' }),
  );
  const tellRead = createContentReads(audit);
  const front = {
    scrub,
    meter: silentMeter,
    tally: () => {},
    tracer: options.tracer ?? noTracer,
    headersOf: (c: AppContext) => c.req.raw.headers,
    readBody: (c: AppContext, bodyLimits: BodyLimits) => readBodyStream(c.req.raw, bodyLimits),
    bodyTimeoutMs: options.bodyTimeoutMs ?? 10_000,
    sourceOf: () => '203.0.113.9',
    failures: testSources(options.failuresPerMinute ?? 1200),
    isDraining: options.isDraining ?? (() => false),
    newRequestId: () => 'request-1',
    clock,
    logger: silentLogger,
  };
  const memory = options.memoryOver?.(store) ?? null;
  const { callbackKeys: keysOf } = options;
  const doors = { ...front, inbox: store.inbox, awaitResult: store.jobs.awaitResult, sealer };
  const chat = createChatChannel({ identifier, windowMs: 86_400_000, bodyLimit: 1024 * 1024, outcomeHeaders: true });
  const app = createApp({
    ...doors,
    channelNames,
    channel: (name, tenant, rest) => (name === 'slack' && tenant === 'default' && rest.length === 0 ? slack : null),
    mount: [
      ...(options.mount ?? []),
      ...(keysOf ? [mountCallbacks({ ...front, crypto: nodeCrypto, callbacks: store.callbacks, keysOf })] : []),
      acrossOrigins(options.corsOrigins ?? [], [
        mountEvents({
          events: store.events,
          endpoint,
          audit,
          tellRead,
          channelNames,
          remedyOf: createRemedyOf(remedyTables(channelModules)),
        }),
        mountChat({
          ...{ ...doors, endpoint, events: store.events },
          channel: (tenant) => (tenant === 'unknown' ? null : chat),
          message: messageSchema,
        }),
        mountAudit({ audit: store.audit, endpoint }),
        mountReviews({
          ...{ events: store.events, reviews: store.reviews, endpoint, clock, ...reviews },
          clean: (text) => scrub(text).value,
          checkReply: async (_, text) => options.checkReply?.(scrub(text).value) ?? scrub(text).value,
          audit,
          tellRead,
          logger: options.logger ?? silentLogger,
        }),
        mountRevocations({
          revocations: revocationsOver(store, { identifier }),
          ...{ endpoint, audit, clean: (text) => scrub(text).value },
          clock: Date.now,
          logger: options.logger ?? silentLogger,
        }),
        mountUsers({
          ...{
            erasure: store.erasure,
            events: store.events,
            keys,
            digest: identifier.digest,
            endpoint,
            channelNames,
            audit,
          },
          forgetTurns: async ({ tenant, channel, user }) =>
            (await memory?.forget(tenant, (turn, of) => of === channel && isSamePerson(turn.author, user))) ?? 0,
          newRequestId: () => 'request-1',
          logger: options.logger ?? silentLogger,
        }),
        mountGuardrails({ policies: createPolicyVersions(store.records), endpoint, audit, logger: silentLogger }),
        mountBudgets({
          ledger: store.ledger,
          overrides: createBudgetOverrides(store.records),
          endpoint,
          configured: () => options.budget?.limits ?? countedOnly,
          channelsOf: () => ['slack'],
          isAlone: () => options.isAlone ?? true,
          audit,
          logger: silentLogger,
        }),
      ]),
    ],
  });
  const agent = options.agentOver?.(store) ?? options.agent ?? echoAgent;
  const deps: RunDeps = {
    agentFor: () => agent,
    guardrailsWith: (own) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
    memory,
    replier: () => options.replier ?? { send: async () => ({ kind: 'unsent' }), find: async () => 'absent' },
    reader: () => options.reader ?? null,
    inbox: store.inbox,
    prepare: () => [],
    lease: options.leaseOver?.(store.lease) ?? store.lease,
    journal: store.journal,
    scrub,
    meter: silentMeter,
    clock,
    random: () => 0.5,
    leaseMs: limits.leaseMs,
    maxAttempts: limits.maxAttempts,
    replyTimeoutMs: 10_000,
    blockedNotice: options.blockedNotice ?? null,
    disclosureOf: () => options.disclosure ?? null,
    openBudget: budgetsOver(store, { clock, ...options.budget }),
    shutdown: options.shutdown ?? new AbortController().signal,
    logger: options.workerLogger ?? silentLogger,
    ...reviews,
    tracer: options.tracer ?? noTracer,
    isStopping: options.isStopping ?? (() => false),
    audit,
  };
  return {
    app,
    store,
    drain: (conversation) => run(conversation, deps),
    async stop() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
