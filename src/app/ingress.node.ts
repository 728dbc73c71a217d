import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { namesOf } from '../channels/registry.ts';
import type { Config } from '../config/schema.ts';
import { createApp } from '../server/app.ts';
import { type CallbackDeps, mountCallbacks } from '../server/callbacks/callbacks.ts';
import { mountOps } from '../server/health/routes.ts';
import { nodeHeaders, readIncoming } from '../server/http/body.node.ts';
import type { BodyLimits } from '../server/http/body.ts';
import type { App, AppContext } from '../server/http/context.ts';
import { createTrust, unmapped } from '../server/http/forwarded.node.ts';
import { acrossOrigins } from '../server/http/guarded.ts';
import { createSourceLimiter } from '../server/limits/sources.ts';
import { httpEndpoints } from '../workers/agents/http/settings.ts';
import { createChannelTable } from './channels.ts';
import { controlRoutes } from './control.node.ts';
import { createRequestIds, type Listening, listen } from './http.node.ts';
import { relevanceOf } from './policies.ts';
import type { Runtime } from './runtime.node.ts';

/** The Node request behind a context; `getRequestListener` puts it there. */
const incomingOf = (c: AppContext): IncomingMessage => (c.env as { incoming: IncomingMessage }).incoming;

/** Hooks, API, health and metrics on one port. */
export function startIngress(runtime: Runtime): Promise<Listening> {
  const { clients, config, plugs, crypto, identifier, log, metrics, scrub, sealer, store, ready, drain } = runtime;
  const isTrusted = createTrust(config.server.trustedProxies ?? []);
  const sourceOf = createSourceOf(isTrusted);
  const newRequestId = createRequestIds(crypto.random(6));
  const front = {
    scrub,
    meter: metrics.meter,
    headersOf: (c: AppContext) => nodeHeaders(incomingOf(c).headers),
    readBody: (c: AppContext, limits: BodyLimits) => readIncoming(incomingOf(c), limits),
    bodyTimeoutMs: config.server.bodyTimeout,
    sourceOf: (c: AppContext) => sourceOf(incomingOf(c).socket.remoteAddress ?? '', c.req.header('x-forwarded-for')),
    failures: createSourceLimiter(config.server.failuresPerMinute),
    tally: runtime.refusals.note,
    isDraining: () => drain.signal.aborted,
    newRequestId,
    clock: Date.now,
    logger: log,
  };
  const doors = { ...front, inbox: store.inbox, awaitResult: store.jobs.awaitResult, sealer };
  const channel = createChannelTable(config, { crypto, identifier, clients, clock: Date.now }, plugs.modules);
  const app = createApp({
    ...doors,
    channelNames: namesOf(plugs.modules.filter(({ isForCallers }) => !isForCallers)),
    channel,
    isRelevant: relevanceOf(config, plugs.modules),
    mount: [
      mountOps({ ready, metrics, metricsToken: config.metricsToken, crypto }),
      ...callbackRoutes(config, { ...front, crypto, callbacks: store.callbacks }),
      acrossOrigins(config.api.corsOrigins ?? [], controlRoutes(runtime, doors, channel)),
    ],
  });
  const { host = '0.0.0.0', port, bodyTimeout: bodyMs } = config.server;
  return listen(app, { host, port, bodyMs, isTrusted, newRequestId });
}

/** `/callbacks/{run}`, where there are agents that may call back: programs behind HTTP, each with its own secrets. */
function callbackRoutes(config: Config, deps: Omit<CallbackDeps, 'keysOf'>): readonly ((app: App) => void)[] {
  const secrets = new Map(httpEndpoints(config).map(({ name, http }) => [name, http.secrets]));
  if (secrets.size === 0) return [];
  return [mountCallbacks({ ...deps, keysOf: (name) => secrets.get(name) ?? [] })];
}

/**
 * The address a request came from: the connection's, or, where that is a trusted proxy, the nearest address in
 * `X-Forwarded-For` (read from the right) that is not one. Anything further left is what a client may have written.
 */
function createSourceOf(isTrusted: (address: string) => boolean): (peer: string, forwardedFor?: string) => string {
  return (peer, forwardedFor) => {
    let source = unmapped(peer);
    const hops = (forwardedFor ?? '').split(',').map((hop) => unmapped(hop.trim()));
    while (isTrusted(source) && hops.length > 0) {
      const hop = hops.pop() ?? '';
      if (isIP(hop) === 0) break;
      source = hop;
    }
    return source;
  };
}
