import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel } from '../../src/channels/channel.ts';
import { channelNames } from '../../src/channels/registry.ts';
import { readMarkdown } from '../../src/channels/shared/markdown/read.ts';
import {
  createTeamsBotChannel,
  createTeamsOutgoingChannel,
  type TeamsBotChannelDeps,
} from '../../src/channels/teams/module.ts';
import { teamsMatchPolicy } from '../../src/channels/teams/receive/candidate.ts';
import { createTeamsReplier } from '../../src/channels/teams/reply/reply.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { type Logger, silentLogger } from '../../src/core/logger.ts';
import { type Meter, silentMeter } from '../../src/core/meter.ts';
import { asFetch } from '../../src/net/clients.ts';
import { allowEntry } from '../../src/net/guard/check-url.ts';
import { createDnsResolve } from '../../src/net/guard/resolve.ts';
import { createGuardedFetch } from '../../src/net/guarded-fetch.ts';
import { createJwks } from '../../src/net/jwt/jwks.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { createApp } from '../../src/server/app.ts';
import { readBodyStream } from '../../src/server/http/body.ts';
import type { App } from '../../src/server/http/context.ts';
import { type BotConnectorServer, createBotConnectorKey } from '../../src/testing/teams/bot-connector-server.ts';
import {
  type SignedTeamsRequest,
  signTeamsActivity,
  type TeamsActivity,
  type TeamsBotSigning,
  type TeamsMessageOptions,
  teamsMessage,
} from '../../src/testing/teams/signer.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { echoAgent } from '../../src/workers/agents/echo.ts';
import type { Guardrail } from '../../src/workers/guardrails/guardrail.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { run } from '../../src/workers/run.ts';
import { auditOver } from './audit.ts';
import { budgetsOver } from './budget.ts';
import { reviewing } from './review.ts';
import { testSources } from './test-sources.ts';

export const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';
export const APP_PASSWORD = 'the-password-of-the-bot';
/** The sample token of Microsoft's documentation of outgoing webhooks. */
export const SECURITY_TOKEN = 'vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=';

/** Made once a test file: an RSA key takes a tenth of a second. */
export const botKey = createBotConnectorKey('bot-framework-1');

const key = new Uint8Array(32).fill(7);

export interface TeamsGateOptions {
  readonly connector: BotConnectorServer;
  readonly clock: () => number;
  readonly bot?: Partial<TeamsBotChannelDeps>;
  readonly agent?: Agent;
  /** False: the bot has no password, so replies are kept and not posted. */
  readonly hasCredentials?: boolean;
  /** Stands in for the store; a fresh embedded one otherwise. */
  readonly store?: Store;
  readonly failuresPerMinute?: number;
  readonly isDraining?: () => boolean;
}

/** The whole product with a Teams bot and an outgoing webhook of tenant `acme` behind it. */
export interface TeamsGate {
  readonly app: App;
  readonly store: Store;
  /** `outcome reason` of every delivery, as the metric counts them. */
  readonly counts: ReadonlyMap<string, number>;
  /** Every log line, as JSON. */
  readonly lines: readonly string[];
  post(request: SignedTeamsRequest, path?: string): Promise<Answered>;
  /** Runs the event's conversation and returns the event's record. */
  settle(eventId: string | null): Promise<EventRecord>;
  /** Works on everything that is queued until the gate is stopped, as a worker process does. */
  work(): void;
  stop(): Promise<void>;
}

export interface Answered {
  readonly status: number;
  readonly outcome: string | null;
  readonly eventId: string | null;
  readonly body: string;
  readonly headers: Headers;
}

export async function openTeamsGate(options: TeamsGateOptions): Promise<TeamsGate> {
  const { connector, clock } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-teams-'));
  const store = options.store ?? (await openTeamsStore(join(folder, 'gate.db'), clock));
  const guarded = createGuardedFetch({
    resolve: createDnsResolve(),
    allow: [allowEntry(connector.tokenUrl)].filter((entry) => entry !== null),
  });
  const counts = new Map<string, number>();
  const lines: string[] = [];
  const logger = recorder(lines);
  const app = createGateApp(options, store, counts, logger);
  const worker = createWorker(options, store, asFetch(guarded), logger);
  return {
    app,
    store,
    counts,
    lines,
    post: (request, path = '/hooks/teams/acme') => postTo(app, request, path),
    async settle(eventId) {
      const conversation = (await recordOf(store, eventId)).event.conversation.key;
      await worker({ tenant: 'acme', key: conversation });
      return recordOf(store, eventId);
    },
    work: () => void store.jobs.consume({ concurrency: 4, run: worker }),
    async stop() {
      if (options.store === undefined) await store.close();
      await guarded.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const openTeamsStore = (path: string, clock: () => number): Promise<Store> =>
  openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'test', logger: silentLogger, clock, pollMs: 10 });

async function recordOf(store: Store, eventId: string | null): Promise<EventRecord> {
  const record = await store.events.get('acme', eventId ?? '');
  if (record === null) throw new Error('the event was not recorded');
  return record;
}

function createGateApp(options: TeamsGateOptions, store: Store, counts: Map<string, number>, logger: Logger): App {
  const { connector, clock } = options;
  const common = {
    identifier: createIdentifier(nodeCrypto, key),
    windowMs: 86_400_000,
    bodyLimit: 256 * 1024,
    outcomeHeaders: true,
    readMarkdown,
  };
  const bot = createTeamsBotChannel({
    ...common,
    appId: APP_ID,
    issuer: 'https://api.botframework.com',
    jwks: createJwks({ url: connector.keys.openidUrl, kind: 'openid', fetch, clock }),
    serviceHosts: [connector.host, 'smba.trafficmanager.net'],
    match: teamsMatchPolicy(),
    clock,
    ...options.bot,
  });
  const keys = [Buffer.from(SECURITY_TOKEN, 'base64')];
  const outgoing = createTeamsOutgoingChannel({ ...common, crypto: nodeCrypto, keys });
  const table = new Map<string, Channel>([
    ['teams/acme', bot],
    ['teams/acme/outgoing', outgoing],
  ]);
  const meter: Meter = {
    ...silentMeter,
    delivery: (_, outcome, reason) => {
      const label = `${outcome} ${reason}`.trim();
      counts.set(label, (counts.get(label) ?? 0) + 1);
    },
  };
  return createApp({
    inbox: store.inbox,
    awaitResult: store.jobs.awaitResult,
    scrub: createScrubber({ crypto: nodeCrypto, key }),
    sealer: createSealer(nodeCrypto, [key]),
    meter,
    channelNames,
    channel: (name, tenant, rest) => table.get([name, tenant, ...rest].join('/')) ?? null,
    tally: () => {},
    headersOf: (c) => c.req.raw.headers,
    readBody: (c, bodyLimits) => readBodyStream(c.req.raw, bodyLimits),
    bodyTimeoutMs: 10_000,
    sourceOf: () => '203.0.113.9',
    failures: testSources(options.failuresPerMinute ?? 1200),
    isDraining: options.isDraining ?? (() => false),
    newRequestId: () => 'request-1',
    clock,
    logger,
    mount: [],
  });
}

function createWorker(options: TeamsGateOptions, store: Store, fetch: typeof globalThis.fetch, logger: Logger) {
  const { connector, clock, hasCredentials = true } = options;
  const replier = createTeamsReplier({
    ...(hasCredentials && {
      credentials: {
        clientId: APP_ID,
        clientSecret: APP_PASSWORD,
        tokenUrl: connector.tokenUrl,
        scope: 'https://api.botframework.com/.default',
        fetch,
      },
    }),
    serviceHosts: [connector.host],
    fetch,
    sealer: createSealer(nodeCrypto, [key]),
    clock,
    logger,
  });
  const deps = {
    agentFor: () => options.agent ?? echoAgent,
    guardrailsWith: (own: readonly Guardrail[]) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
    memory: null,
    replier: () => replier,
    reader: () => null,
    inbox: store.inbox,
    prepare: () => [],
    lease: store.lease,
    journal: store.journal,
    scrub: createScrubber({ crypto: nodeCrypto, key }),
    meter: silentMeter,
    clock,
    random: () => 0.5,
    leaseMs: defaultLimits.leaseMs,
    maxAttempts: 5,
    replyTimeoutMs: 10_000,
    blockedNotice: null,
    disclosureOf: () => null,
    openBudget: budgetsOver(store),
    shutdown: new AbortController().signal,
    logger,
    ...reviewing(),
    isStopping: () => false,
    audit: auditOver(store),
  };
  return (conversation: { tenant: string; key: string }) => run(conversation, deps);
}

function recorder(lines: string[]): Logger {
  const write = (fields: object, name: string): void => {
    const plain = (value: unknown) => (value instanceof Error ? `${value.stack} ${JSON.stringify(value)}` : value);
    lines.push(`${name} ${JSON.stringify(fields, (_, value) => plain(value))}`);
  };
  return { debug: write, info: write, warn: write, error: write };
}

async function postTo(app: App, { headers, body }: SignedTeamsRequest, path: string): Promise<Answered> {
  const request = new Request(`http://gate.test${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
  const response = await app.request(request);
  return {
    status: response.status,
    outcome: response.headers.get('x-sallyport-outcome'),
    eventId: response.headers.get('x-sallyport-event'),
    body: await response.text(),
    headers: response.headers,
  };
}

/** A message to our bot; id and text decide what it is. */
export const said = (options: Partial<TeamsMessageOptions> & { text: string; at: number }): TeamsActivity =>
  teamsMessage({ appId: APP_ID, ...options });

/** The activity as the connector posts it, now or at `at`. */
export const signed = (
  activity: TeamsActivity,
  signing: Partial<TeamsBotSigning> & { at: number },
): SignedTeamsRequest => signTeamsActivity(activity, { key: botKey, appId: APP_ID, ...signing });
