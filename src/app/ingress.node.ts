import type { IncomingMessage } from 'node:http';
import { namesOf } from '../channels/registry.ts';
import { readMarkdown } from '../channels/shared/markdown/read.ts';
import type { Config } from '../config/schema.ts';
import { createRelayKeys } from '../core/relay.ts';
import { vendorFetch } from '../net/clients.ts';
import { createRelayAttempts } from '../queue/records/relay-attempts.ts';
import { createUntrustedProxies } from '../queue/records/untrusted-proxies.ts';
import { mountOpenApi } from '../server/api/openapi.ts';
import { createApp } from '../server/app.ts';
import { type CallbackDeps, mountCallbacks } from '../server/callbacks/callbacks.ts';
import { mountOps } from '../server/health/routes.ts';
import { createTellUnmapped } from '../server/hooks/hooks.ts';
import { nodeHeaders, readIncoming } from '../server/http/body.node.ts';
import type { BodyLimits } from '../server/http/body.ts';
import { type App, type AppContext, createRequestIds } from '../server/http/context.ts';
import { createTrust, isCertified } from '../server/http/forwarded.node.ts';
import { acrossOrigins, behind, withCertificate } from '../server/http/guarded.ts';
import { type Listening, listen } from '../server/http/listen.node.ts';
import { createBodyPool } from '../server/limits/bodies.node.ts';
import { createConnections } from '../server/limits/connections.node.ts';
import { createPeers } from '../server/limits/peers.ts';
import { createSourceLimiter } from '../server/limits/sources.ts';
import { mountRelay, type RelayDeps } from '../server/relay/relay.ts';
import { httpEndpoints } from '../workers/agents/http/settings.ts';
import { openApiGuard, openTokenRefused } from './api-tokens.ts';
import { createChannelTable, createIsDelivered } from './channels.ts';
import { controlRoutes } from './control.node.ts';
import { relevanceOf } from './policies.ts';
import type { Runtime } from './runtime.node.ts';

/** The Node request behind a context; `getRequestListener` puts it there. */
const incomingOf = (c: AppContext): IncomingMessage => (c.env as { incoming: IncomingMessage }).incoming;

/** Hooks, API, health and metrics on one port. */
export async function startIngress(runtime: Runtime): Promise<Listening & { readonly app: App }> {
  const { clients, config, plugs, crypto, identifier, log, metrics, sealer, store, ready, drain, tls } = runtime;
  const isTrusted = createTrust(config.server.trustedProxies ?? []);
  const newRequestId = createRequestIds(crypto.random(6));
  const proxies = createUntrustedProxies(store.records);
  const { isShared, ...peers } = createPeers(isTrusted, (peer) => {
    log.warn({ peer, setting: 'SALLYPORT_TRUSTED_PROXIES' }, 'proxy.untrusted');
    // For `sallyport doctor`. The log has named it, whatever becomes of this.
    proxies.note(peer, Date.now()).catch(() => {});
  });
  const sourceIn = ({ socket, headers }: IncomingMessage): string => {
    const forwardedFor = headers['x-forwarded-for'];
    return peers.sourceOf(socket.remoteAddress ?? '', typeof forwardedFor === 'string' ? forwardedFor : undefined);
  };
  const sourceOf = (c: AppContext): string => sourceIn(incomingOf(c));
  const failures = createSourceLimiter({
    perMinute: config.server.failuresPerMinute,
    limits: store.limits,
    digest: identifier.digest,
    isShared,
    clock: Date.now,
    logger: log,
  });
  const guard = openApiGuard(runtime, isShared);
  const bodies = createBodyPool({ isShared, isFailing: failures.isOver });
  const front = {
    scrub: runtime.countingScrub,
    meter: metrics.meter,
    headersOf: (c: AppContext) => nodeHeaders(incomingOf(c).headers),
    readBody: (c: AppContext, limits: BodyLimits) =>
      readIncoming(incomingOf(c), limits, (onCut) => bodies.enter(incomingOf(c), sourceOf(c), onCut)),
    bodyTimeoutMs: config.server.bodyTimeout,
    sourceOf,
    failures,
    tally: runtime.refusals.note,
    tracer: runtime.tracing.tracer,
    traceOf: (c: AppContext) => {
      const { socket, headers } = incomingOf(c);
      const { traceparent } = headers;
      return typeof traceparent === 'string' && isTrusted(socket.remoteAddress ?? '') ? traceparent : undefined;
    },
    tellUnmapped: createTellUnmapped({ clock: Date.now, logger: log }),
    isDraining: () => drain.signal.aborted,
    newRequestId,
    clock: Date.now,
    logger: log,
  };
  const doors = { ...front, inbox: store.inbox, awaitResult: store.jobs.awaitResult, sealer };
  const common = { crypto, identifier, openFetch: vendorFetch(clients), clock: Date.now, readMarkdown };
  const channel = createChannelTable(config, common, plugs.modules);
  const guards = tls?.asksClients === true ? [withCertificate((c) => isCertified(incomingOf(c)))] : [];
  const isRelevant = relevanceOf(config, plugs.modules);
  const app = createApp({
    ...doors,
    channelNames: namesOf(plugs.modules.filter(({ callers }) => callers === undefined)),
    channel,
    isRelevant,
    mount: [
      mountOps({
        ...{ ready, metrics, metricsToken: config.metricsToken, crypto, sourceOf: front.sourceOf },
        tokenRefused: openTokenRefused(runtime, guard),
        guard,
      }),
      ...callbackRoutes(config, { ...front, crypto, callbacks: store.callbacks }),
      behind(guards, relayRoutes(runtime, { ...front, inbox: store.inbox, isRelevant })),
      acrossOrigins(config.api.corsOrigins ?? [], [behind(guards, controlRoutes(runtime, doors, channel, guard))]),
      mountOpenApi,
    ],
  });
  const { host = '0.0.0.0', port, bodyTimeout: bodyMs } = config.server;
  const connections = createConnections({
    most: config.limits.connections,
    mostOfSource: config.limits.sourceConnections,
    isExempt: (address) => isShared(address) || isTrusted(address),
    onForwarded: sourceIn,
    logger: log,
  });
  const listening = await listen(app, { host, port, bodyMs, isTrusted, newRequestId, connections, tls });
  return {
    ...listening,
    app,
    async close(graceMs) {
      await listening.close(graceMs);
      failures.close();
    },
  };
}

/** `/callbacks/{run}`, where there are agents that may call back: programs behind HTTP, each with its own secrets. */
function callbackRoutes(config: Config, deps: Omit<CallbackDeps, 'keysOf'>): readonly ((app: App) => void)[] {
  const secrets = new Map(httpEndpoints(config).map(({ name, http }) => [name, http.secrets]));
  if (secrets.size === 0) return [];
  return [mountCallbacks({ ...deps, keysOf: (name) => secrets.get(name) ?? [] })];
}

/** `/relay`, where there is a key of the edge. */
function relayRoutes(
  { config, plugs, crypto, store }: Runtime,
  front: Omit<RelayDeps, 'keys' | 'crypto' | 'attempts' | 'tenants' | 'isConfigured'>,
): readonly ((app: App) => void)[] {
  if (config.relay.keys === undefined) return [];
  return [
    mountRelay({
      ...front,
      crypto,
      keys: createRelayKeys(config.relay.keys, crypto),
      attempts: createRelayAttempts(store.records),
      tenants: Object.keys(config.tenants),
      isConfigured: createIsDelivered(config, plugs.modules),
    }),
  ];
}
