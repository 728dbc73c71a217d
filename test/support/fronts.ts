import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { afterAll } from 'vitest';
import { createChannelTable, createIsDelivered } from '../../src/app/channels.ts';
import { relevanceOf } from '../../src/app/policies.ts';
import { plugs } from '../../src/channels/registry.node.ts';
import { namesOf } from '../../src/channels/registry.ts';
import { readMarkdown } from '../../src/channels/shared/markdown/read.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nodeCrypto as crypto } from '../../src/core/crypto/crypto.node.ts';
import { type ErrorCode, reasonOf } from '../../src/core/errors.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { type LogFields, type Logger, silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { createRelayKeys, RELAY_PATH } from '../../src/core/relay.ts';
import { createClients, vendorFetch } from '../../src/net/clients.ts';
import type { ShardStatus } from '../../src/queue/edge/shard.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { createRelayAttempts } from '../../src/queue/records/relay-attempts.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { createApp } from '../../src/server/app.ts';
import { type BodyLimits, readBodyStream } from '../../src/server/http/body.ts';
import { type App, type AppContext, createRequestIds } from '../../src/server/http/context.ts';
import { createSourceLimiter } from '../../src/server/limits/sources.ts';
import { mountRelay } from '../../src/server/relay/relay.ts';
import { type Edge, startEdge } from './edge.ts';
import type { FrontHeader } from './front-worker.ts';
import { until } from './until.ts';

/** The front door of the product, on Node or at the edge, configured alike by the product's own loaders. */
export interface Front {
  /** A request that names no `cf-connecting-ip` comes from an address of its own. */
  request(request: Request): Promise<Response>;
  /** `outcome reason` of each item since the last call, as the log has them. */
  counts(): Promise<string[]>;
  /** Every event in the origin's store, oldest first. What the edge has accepted is forwarded before. */
  records(): Promise<EventRecord[]>;
  /** Of the origin. */
  readonly store: Store;
  /** Senders that wait for a reply are then passed on to the origin. */
  readonly isEdge: boolean;
  stop(): Promise<void>;
}

/** A front whose origin can be away. */
export interface EdgeFront extends Front {
  /** The origin answers 503 until it is back. */
  takeOriginAway(): void;
  bringOriginBack(): void;
}

export interface FrontOptions {
  /** By the names of the environment; they set the tenant `default`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Default: the real one. */
  readonly clock?: () => number;
  /** What the origin does beside its front, until it is stopped. */
  readonly work?: (store: Store) => void;
}

export type OpenFront = (options: FrontOptions) => Promise<Front>;

const KEY_BYTES = new Uint8Array(32).fill(7);
const KEY = Buffer.from(KEY_BYTES).toString('base64');
/** `SALLYPORT_ID_KEY` of every front. */
export const ID_KEY: Uint8Array = KEY_BYTES;

const common = {
  SALLYPORT_ID_KEY: KEY,
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_RELAY_KEY: Buffer.alloc(32, 3).toString('base64'),
  SALLYPORT_OUTCOME_HEADERS: 'true',
};

/** Where a request came from, as Cloudflare names it; a front on Node is told by the same header. */
const SOURCE = 'cf-connecting-ip';

let sources = 0;
/** The request's headers with an address of its own, unless it has one: the first failure of each source is logged. */
function withSource(given: Headers): Headers {
  const headers = new Headers(given);
  sources += 1;
  if (!headers.has(SOURCE)) headers.set(SOURCE, `10.${sources >> 16}.${(sources >> 8) & 255}.${sources & 255}`);
  return headers;
}

/** A line of the log about a delivery. */
interface Line {
  readonly msg: string;
  readonly outcome: string;
  readonly code?: ErrorCode;
  readonly reason?: string;
  readonly outcomes?: Readonly<Record<string, number>>;
}

function countsOf(lines: readonly Line[]): string[] {
  return lines
    .filter(({ msg }) => msg.startsWith('delivery.') && msg !== 'delivery.unmapped')
    .flatMap(({ outcome, code, reason = '', outcomes }) => {
      if (outcomes === undefined) return [`${outcome} ${code === undefined ? reason : reasonOf(code)}`.trim()];
      return Object.entries(outcomes).flatMap(([name, count]) => Array<string>(count).fill(name));
    });
}

/** In memory where that is possible: a suite opens a hundred stores, and opening one on a disk waits for it several times. */
const FOLDERS = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

interface Origin {
  readonly app: App;
  readonly store: Store;
  readonly lines: Line[];
  records(): Promise<EventRecord[]>;
  stop(): Promise<void>;
}

/** The ingress over a store of its own, composed as `app/ingress.node.ts` composes it. */
async function openOrigin({ settings, clock = Date.now, work }: FrontOptions): Promise<Origin> {
  const loaded = loadConfig(undefined, { ...common, ...settings }, 'ingress');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const { config } = loaded;
  const folder = await mkdtemp(join(FOLDERS, 'sallyport-front-'));
  const identifier = createIdentifier(crypto, config.keys.id ?? new Uint8Array());
  const store = await openEmbeddedStore({
    path: join(folder, 'store.db'),
    limits: { ...defaultLimits, queueCap: config.store.queueCap, channelRate: config.limits.channelRate },
    idCheck: identifier.digest('id-check', []),
    ...{ logger: silentLogger, clock, pollMs: 10 },
  });
  const lines: Line[] = [];
  const logger = recorder(lines);
  const clients = createClients({});
  const scrub = createScrubber({ crypto, key: crypto.hmacSha256(config.keys.id ?? new Uint8Array(), 'scrub') });
  const sourceOf = (c: AppContext): string => c.req.header('x-forwarded-for') ?? c.req.header(SOURCE) ?? '';
  const failures = createSourceLimiter({
    perMinute: config.server.failuresPerMinute,
    ...{ limits: store.limits, digest: identifier.digest, isShared: () => false, clock, logger },
  });
  const front = {
    ...{ inbox: store.inbox, scrub, meter: silentMeter, sourceOf, failures, clock, logger },
    headersOf: (c: AppContext) => c.req.raw.headers,
    readBody: (c: AppContext, limits: BodyLimits) => readBodyStream(c.req.raw, limits),
    bodyTimeoutMs: config.server.bodyTimeout,
    tally: () => {},
    isDraining: () => false,
    newRequestId: createRequestIds(crypto.random(6)),
    isRelevant: relevanceOf(config, plugs.modules),
  };
  const app = createApp({
    ...front,
    sealer: createSealer(crypto, config.keys.seal ?? []),
    awaitResult: store.jobs.awaitResult,
    channelNames: namesOf(plugs.modules.filter(({ callers }) => callers === undefined)),
    channel: createChannelTable(
      config,
      { crypto, identifier, openFetch: vendorFetch(clients), clock, readMarkdown },
      plugs.modules,
    ),
    mount: [
      mountRelay({
        ...front,
        crypto,
        keys: createRelayKeys(config.relay.keys ?? [], crypto),
        attempts: createRelayAttempts(store.records),
        tenants: Object.keys(config.tenants),
        isConfigured: createIsDelivered(config, plugs.modules),
      }),
    ],
  });
  work?.(store);
  return {
    ...{ app, store, lines },
    records: () => recordsOf(store),
    async stop() {
      failures.close();
      await clients.close(1_000);
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function recorder(lines: Line[]): Logger {
  const write = (fields: LogFields, msg: string): void => void lines.push({ ...(fields as unknown as Line), msg });
  return { debug: write, info: write, warn: write, error: write };
}

async function recordsOf(store: Store): Promise<EventRecord[]> {
  const found: EventRecord[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await store.events.list('default', { limit: 200, ...(cursor !== undefined && { cursor }) });
    found.push(...page.events);
    cursor = page.cursor;
  }
  return found.reverse();
}

/** The ingress itself, without a port. */
export const openNodeFront: OpenFront = async (options) => {
  const { app, store, lines, records, stop } = await openOrigin(options);
  return {
    ...{ store, records, stop, isEdge: false },
    request: async (request) => app.request(new Request(request, { headers: withSource(request.headers) })),
    counts: async () => countsOf(lines.splice(0)),
  };
};

/** Shards of a front: more than one, so that a batch may be for several. */
const SHARDS = 2;

/** A Worker and the port of its origin, whose app is that of the front that was opened last. */
interface World {
  readonly edge: Edge;
  readonly server: Server;
}

/**
 * The edge before an ingress: the real bundle on workerd, started once for the tests of a file. Fronts are opened one after
 * the other.
 */
export function edgeFronts(): (options: FrontOptions) => Promise<EdgeFront> {
  let app: App | undefined;
  let world: Promise<World> | undefined;
  let names = 0;
  const start = async (): Promise<World> => {
    const server = createServer(
      getRequestListener((request) => app?.fetch(request) ?? new Response(null, { status: 503 })),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const settings = {
      ...common,
      SALLYPORT_RELAY_URL: `http://127.0.0.1:${port}${RELAY_PATH}`,
      SALLYPORT_EDGE_SHARDS: String(SHARDS),
    };
    return { server, edge: await startEdge({ settings, worker: 'test/support/front-worker.ts' }) };
  };
  afterAll(async () => {
    const { edge, server } = (await world) ?? {};
    await edge?.stop();
    server?.closeAllConnections();
    server?.close();
  });
  return async (options) => {
    world ??= start();
    const { edge } = await world;
    const origin = await openOrigin(options);
    app = origin.app;
    names += 1;
    const { settings, clock = Date.now } = options;
    const name = `front-${names}`;
    const ask = async (request: Request): Promise<Response> => {
      const headers = withSource(request.headers);
      const front: FrontHeader = { name, at: clock(), settings };
      headers.set('x-test-front', JSON.stringify(front));
      return edge.request(new Request(request, { headers }));
    };
    const of = async <T>(path: string): Promise<T> =>
      (await ask(new Request(`http://gate.test${path}`))).json() as Promise<T>;
    const forwarded = (): Promise<void> =>
      until('the outbox is empty', async () => {
        const shards = await of<ShardStatus[]>('/test-forward');
        return shards.every(({ waiting }) => waiting.events === 0);
      });
    await of('/test-lines');
    return {
      store: origin.store,
      isEdge: true,
      request: ask,
      counts: async () => countsOf((await of<string[]>('/test-lines')).map((line) => JSON.parse(line) as Line)),
      async records() {
        await forwarded();
        return origin.records();
      },
      async stop() {
        // What is forwarded later would come to the next front's origin.
        await forwarded();
        app = undefined;
        await origin.stop();
      },
      takeOriginAway() {
        app = undefined;
      },
      bringOriginBack() {
        app = origin.app;
      },
    };
  };
}
