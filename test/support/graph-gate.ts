import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeeperTask, ParsedEvent } from '../../src/channels/channel.ts';
import { createGraphApi } from '../../src/channels/graph/api/graph-api.ts';
import { createGraphChannels } from '../../src/channels/graph/module.ts';
import { createContentOpener } from '../../src/channels/graph/read/decrypt.ts';
import { createGraphReader, createOwnMailboxes } from '../../src/channels/graph/read/reader.ts';
import { createIdentify } from '../../src/channels/graph/receive/identify.ts';
import { createReact } from '../../src/channels/graph/receive/lifecycle.ts';
import {
  type ClientStates,
  createClientStates,
  createPublisherVerifier,
} from '../../src/channels/graph/receive/verify.ts';
import { createGraphReplier } from '../../src/channels/graph/reply/reply.ts';
import { createGraphKeeperTask, createUpkeep } from '../../src/channels/graph/sync/keeper.ts';
import { createHandMade, createKeptStore, type KeptStore } from '../../src/channels/graph/sync/kept.ts';
import { createResync } from '../../src/channels/graph/sync/resync.ts';
import { createSubscriptions, type Source } from '../../src/channels/graph/sync/subscriptions.ts';
import { channelNames } from '../../src/channels/registry.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { EventRecord, EventState } from '../../src/core/event.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { type Logger, silentLogger } from '../../src/core/logger.ts';
import { type Meter, silentMeter } from '../../src/core/meter.ts';
import { createAccessTokens } from '../../src/net/client-credentials.ts';
import { createJwks } from '../../src/net/jwt/jwks.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store, type StoreLimits } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { createApp } from '../../src/server/app.ts';
import { prepare } from '../../src/server/hooks/prepare.ts';
import { readBodyStream } from '../../src/server/http/body.ts';
import type { App } from '../../src/server/http/context.ts';
import { createFakeGraph, type FakeGraph, type GraphServerOptions } from '../../src/testing/graph/server.ts';
import { createTestCertificate } from '../../src/testing/keys/certificate.ts';
import { createSigningKey } from '../../src/testing/keys/signing-key.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { echoAgent } from '../../src/workers/agents/echo.ts';
import { createAcceptFound } from '../../src/workers/attempt/ask-agent.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { auditOver } from './audit.ts';
import { budgetsOver } from './budget.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { reviewing } from './review.ts';
import { testSources } from './test-sources.ts';

export const PUBLIC_URL = 'https://gate.example';
export const CLIENT_STATE = 'a-hand-made-client-state';

/** Made once for all tests of a file: an RSA key takes a second now and then. */
export const certificate = { id: 'cert-1', ...createTestCertificate() };
export const olderCertificate = { id: 'cert-0', ...createTestCertificate() };
const signingKey = createSigningKey();

export interface GraphGateOptions {
  /** Resources to keep, e.g. `users/agent@example.com/messages`. */
  readonly keep?: readonly string[];
  readonly isRich?: boolean;
  readonly changeType?: string;
  readonly clock?: FakeClock;
  readonly graph?: Omit<GraphServerOptions, 'post' | 'clock'>;
  readonly limits?: Partial<StoreLimits>;
  readonly agent?: Agent;
  /** Default: replies show none. */
  readonly disclosure?: string;
  readonly failuresPerMinute?: number;
  readonly bodyLimit?: number;
  readonly isDraining?: () => boolean;
  /** Stands before the store, to make it fail. */
  readonly around?: (store: Store) => Store;
  readonly meter?: Meter;
  readonly logger?: Logger;
  readonly random?: () => number;
  readonly folder?: string;
}

/** Graph, the gate and a worker with one Entra tenant, without ports and on a clock that the test moves. */
export interface GraphGate {
  readonly app: App;
  readonly clock: FakeClock;
  readonly graph: FakeGraph;
  readonly store: Store;
  readonly kept: KeptStore;
  readonly states: ClientStates;
  readonly keeper: KeeperTask;
  /** Posts to `/hooks/graph/default` and what follows it. */
  post(
    rest: string,
    init: { headers?: Readonly<Record<string, string>>; body: string | Uint8Array },
  ): Promise<Response>;
  /** Runs the keeper once. */
  keep(): ReturnType<KeeperTask['run']>;
  /** Runs everything that is due, also what comes of it. */
  work(): Promise<void>;
  /** Every event so far, oldest first. */
  events(state?: EventState): Promise<readonly EventRecord[]>;
  stop(): Promise<void>;
}

const key = new Uint8Array(32).fill(7);

export async function openGraphGate(options: GraphGateOptions = {}): Promise<GraphGate> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'sallyport-graph-')));
  const clock = options.clock ?? createFakeClock();
  const { meter = silentMeter, logger = silentLogger } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const opened = await openEmbeddedStore({
    path: join(folder, 'gate.db'),
    limits,
    idCheck: 'test',
    logger: silentLogger,
    clock: clock.now,
  });
  const store = options.around?.(opened) ?? opened;
  const graph: FakeGraph = createFakeGraph({
    key: signingKey,
    ...options.graph,
    clock: clock.now,
    post: async (url, init) => app.request(url, init),
  });
  const identifier = createIdentifier(nodeCrypto, key);
  const states = createClientStates(nodeCrypto, key);
  const scrub = createScrubber({ crypto: nodeCrypto, key });
  const sealer = createSealer(nodeCrypto, [key]);
  const jwks = createJwks({
    url: 'https://login.example/common/discovery/v2.0/keys',
    fetch: graph.fetch,
    clock: clock.now,
  });
  const channels = createGraphChannels({
    crypto: nodeCrypto,
    identifier,
    states,
    entraTenantId: graph.tenantId,
    handMadeStates: [CLIENT_STATE],
    verifyPublisher: createPublisherVerifier({ jwks, clock: clock.now, clientId: graph.clientId }),
    openContent: createContentOpener(nodeCrypto, [certificate, olderCertificate]),
    windowMs: 86_400_000,
    bodyLimit: options.bodyLimit ?? 4 * 1024 * 1024,
    outcomeHeaders: true,
  });
  const app = createApp({
    inbox: store.inbox,
    awaitResult: store.jobs.awaitResult,
    scrub,
    sealer,
    meter,
    channelNames,
    channel: (name, tenant, rest) => (name === 'graph' && tenant === 'default' ? channels(rest) : null),
    tally: () => {},
    headersOf: (c) => c.req.raw.headers,
    readBody: (c, bodyLimits) => readBodyStream(c.req.raw, bodyLimits),
    bodyTimeoutMs: 10_000,
    sourceOf: () => '203.0.113.9',
    failures: testSources(options.failuresPerMinute ?? 100_000),
    isDraining: options.isDraining ?? (() => false),
    newRequestId: () => 'request-1',
    clock: clock.now,
    logger,
    mount: [],
  });

  const tokens = createAccessTokens({
    tokenUrl: `https://login.example/${graph.tenantId}/oauth2/v2.0/token`,
    clientId: graph.clientId,
    clientSecret: graph.clientSecret,
    scope: 'https://graph.microsoft.com/.default',
    fetch: graph.fetch,
    clock: clock.now,
  });
  const api = createGraphApi({ baseUrl: 'https://graph.example/', tokens, fetch: graph.fetch });
  const kept = createKeptStore(store.records, 'default');
  const identify = createIdentify({ identifier, entraTenantId: graph.tenantId, windowMs: 86_400_000 });
  const base = { api, store: kept, tenant: 'default', clock: clock.now, logger };
  const changeType = options.changeType ?? 'created,updated';
  const sources: ReadonlyMap<string, Source> = new Map(
    (options.keep ?? []).map((resource) => {
      const nonce = states.nonceOf('default', resource, changeType);
      const der = { id: certificate.id, der: certificate.certificate };
      return [nonce, { nonce, resource, changeType, certificate: options.isRich ? der : null }];
    }),
  );
  const random = options.random ?? (() => 0.5);
  const subscriptions = createSubscriptions({ ...base, states, publicUrl: PUBLIC_URL, random });
  const resync = createResync({ ...base, identify });
  const upkeep = createUpkeep({ store: kept, subscriptions, resync, clock: clock.now });
  const handMade = createHandMade(store.records, 'default', identifier);
  const react = createReact({ ...base, sources, upkeep, resync, handMade });
  const access = { api, ownMailbox: createOwnMailboxes(api) };
  const reader = createGraphReader({ access, react, store: kept, handMade, identify, clock: clock.now });
  const deps: RunDeps = {
    agentFor: () => options.agent ?? echoAgent,
    guardrailsWith: (own) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
    memory: null,
    replier: () => createGraphReplier(base),
    reader: () => reader,
    inbox: store.inbox,
    prepare: (events: readonly ParsedEvent[]) => prepare({ events, refused: [] }, { scrub, sealer }).events,
    lease: store.lease,
    journal: store.journal,
    scrub,
    meter,
    clock: clock.now,
    random: () => 0.5,
    leaseMs: limits.leaseMs,
    maxAttempts: 5,
    replyTimeoutMs: 10_000,
    blockedNotice: null,
    disclosureOf: () => options.disclosure ?? null,
    openBudget: budgetsOver(store),
    shutdown: new AbortController().signal,
    logger,
    ...reviewing(),
    isStopping: () => false,
    audit: auditOver(store),
  };
  const keeper = createGraphKeeperTask({ ...base, subscriptions, upkeep, sources, accept: createAcceptFound(deps) });

  const list = async (state?: EventState): Promise<EventRecord[]> => {
    const found: EventRecord[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await store.events.list('default', {
        limit: 200,
        ...(state !== undefined && { state }),
        ...(cursor !== undefined && { cursor }),
      });
      found.push(...page.events);
      cursor = page.cursor;
    }
    return found.reverse();
  };

  return {
    app,
    clock,
    graph,
    store,
    kept,
    states,
    keeper,
    post: async (rest, { headers = { 'content-type': 'application/json' }, body }) =>
      app.request(`${PUBLIC_URL}/hooks/graph/default${rest}`, {
        method: 'POST',
        headers: { ...headers },
        body: typeof body === 'string' ? body : new Uint8Array(body),
      }),
    keep: () => keeper.run(new AbortController().signal),
    async work() {
      const isDue = new Set<string>();
      for (let waiting = await list('queued'); waiting.length > 0; waiting = await list('queued')) {
        const keys = new Set(waiting.map(({ event }) => event.conversation.key));
        await Promise.all([...keys].map((conversation) => run({ tenant: 'default', key: conversation }, deps)));
        // A queued event that did not move would be looked at for ever.
        if (waiting.every(({ event, attempts }) => isDue.has(`${event.id} ${attempts}`))) break;
        for (const { event, attempts } of waiting) isDue.add(`${event.id} ${attempts}`);
      }
      const later = new Set((await list('waiting')).map(({ event }) => event.conversation.key));
      await Promise.all([...later].map((conversation) => run({ tenant: 'default', key: conversation }, deps)));
    },
    events: list,
    async stop() {
      await store.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
