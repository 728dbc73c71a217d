import type { ChannelModule } from '../../channels/module.ts';
import { channelModules, containerOf, namesOf } from '../../channels/registry.ts';
import { type EdgeConfig, loadEdgeConfig } from '../../config/edge.ts';
import { webCrypto as crypto } from '../../core/crypto/crypto.web.ts';
import { createIdentifier } from '../../core/identity.ts';
import type { KeepAlive } from '../../core/keep-alive.ts';
import type { Logger } from '../../core/logger.ts';
import { silentMeter } from '../../core/meter.ts';
import { createRelayKeys } from '../../core/relay.ts';
import { openWebFetch } from '../../net/web-fetch.ts';
import { createEdgeInbox } from '../../queue/edge/inbox.ts';
import type { ShardStatus } from '../../queue/edge/shard.ts';
import { createScrubber } from '../../scrub/scrubber.ts';
import { createSealer } from '../../scrub/seal.ts';
import { createApp } from '../../server/app.ts';
import { createTellUnmapped } from '../../server/hooks/hooks.ts';
import { readBodyStream } from '../../server/http/body.ts';
import { type App, type AppContext, createRequestIds } from '../../server/http/context.ts';
import { createSourceLimiter } from '../../server/limits/sources.ts';
import { createChannelTable } from '../channels.ts';
import { createEdgeLog } from './log.ts';
import { mountOutbox, type ShardControl } from './outbox.ts';
import { createPassOn } from './pass-on.ts';
import { mountEdgeRoutes, sourceOf } from './routes.ts';
import type { ShardMethods } from './shard-object.ts';

/** A configuration that is good, with what is made of its keys once. */
export interface OpenEdge {
  readonly config: EdgeConfig;
  readonly scrub: ReturnType<typeof createScrubber>;
  readonly log: Logger;
}

/** Milliseconds that a shard has to answer an operator. */
const STATUS_MS = 2_000;
/** Bytes of an agent's callback, as at the origin. */
const CALLBACK_BYTES = 1024 * 1024;

/** Reads the configuration. Problems name settings and hold no value. */
export function openConfig(file: unknown, bindings: object): OpenEdge | { readonly problems: readonly string[] } {
  const loaded = loadEdgeConfig(file, bindings as Readonly<Record<string, unknown>>);
  if (!loaded.ok) return loaded;
  const { config } = loaded;
  // As on Node, so that both put the same placeholders in the place of the same secrets.
  const scrub = createScrubber({ crypto, key: crypto.hmacSha256(config.keys.id ?? new Uint8Array(), 'scrub') });
  return { config, scrub, log: createEdgeLog(config.logLevel, scrub) };
}

/**
 * The gate's front on Workers: proof, relevance, identity, scrub and seal are the origin's own code, and the inbox is the
 * tenants' shards. Only the origin knows the agents, so it decides which events no agent answers.
 */
export function createEdgeApp(
  { config, scrub, log }: OpenEdge,
  {
    clock,
    keepAlive,
    shard,
  }: {
    readonly clock: () => number;
    readonly keepAlive: KeepAlive;
    /** The object of a shard. */
    readonly shard: (name: string) => {
      readonly [Name in keyof ShardMethods]: (
        ...call: Parameters<ShardMethods[Name]>
      ) => Promise<ReturnType<ShardMethods[Name]>>;
    };
  },
): App {
  const { keys, edge, server, metricsToken } = config;
  const identifier = createIdentifier(crypto, keys.id ?? new Uint8Array());
  const newRequestId = createRequestIds(crypto.random(6));
  const failures = createSourceLimiter({
    perMinute: server.failuresPerMinute,
    // Each isolate counts for itself: a source is limited where it is busy.
    limits: { addUp: async () => [] },
    ...{ digest: identifier.digest, isShared: () => false, clock, logger: log },
  });
  const modules: readonly ChannelModule[] = channelModules;
  const common = { crypto, identifier, openFetch: openWebFetch, clock, keepAlive, readMarkdown: undefined };
  const origin = new URL(edge.relayUrl ?? '').origin;
  const names = Object.keys(config.tenants).flatMap((tenant) =>
    Array.from({ length: edge.shards }, (_, n) => `${tenant}/${n}`),
  );
  const statusOf = (name: string): Promise<ShardStatus | null> => inTime(shard(name).status());
  const controlOf = (name: string): ShardControl => ({
    status: () => statusOf(name),
    listParked: (limit) => inTime(shard(name).listParked(limit)),
    resend: (eventId) => inTime(shard(name).resend(eventId)),
    drop: (eventId) => inTime(shard(name).drop(eventId)),
  });
  return createApp({
    inbox: createEdgeInbox({ identifier, shards: edge.shards, containerOf, shardOf: shard }),
    scrub,
    sealer: createSealer(crypto, keys.seal ?? []),
    meter: silentMeter,
    // Senders that wait for a reply are passed on.
    awaitResult: async () => null,
    passOn: createPassOn(origin, edge.passOnOver),
    channelNames: namesOf(modules.filter(({ callers }) => callers === undefined)),
    channel: createChannelTable(config, common, modules),
    headersOf: (c: AppContext) => c.req.raw.headers,
    readBody: (c, limits) => readBodyStream(c.req.raw, limits),
    bodyTimeoutMs: server.bodyTimeout,
    sourceOf,
    failures,
    tellUnmapped: createTellUnmapped({ clock, logger: log }),
    // The audit is the origin's; here refusals are in the log.
    tally: () => {},
    isDraining: () => false,
    newRequestId,
    clock,
    logger: log,
    mount: [
      (app) =>
        mountEdgeRoutes(app, {
          ...{ origin, metricsToken, failures, newRequestId, crypto, clock },
          statuses: () => Promise.all(names.map(statusOf)),
          anyStatus: () => (names[0] === undefined ? Promise.resolve(null) : statusOf(names[0])),
          callers: namesOf(modules.filter(({ callers }) => callers !== undefined)),
          callbackLimits: { maxBytes: CALLBACK_BYTES, timeoutMs: server.bodyTimeout },
        }),
      (app) =>
        mountOutbox(app, {
          keys: createRelayKeys(config.relay.keys ?? [], crypto),
          shards: new Map(names.map((name) => [name, controlOf(name)])),
          ...{ failures, sourceOf, newRequestId, crypto, clock, logger: log },
          bodyTimeoutMs: server.bodyTimeout,
        }),
    ],
  });
}

const inTime = <T>(answer: Promise<T>): Promise<T | null> =>
  Promise.race([answer.catch(() => null), new Promise<null>((resolve) => setTimeout(() => resolve(null), STATUS_MS))]);
