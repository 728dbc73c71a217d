import type { IncomingMessage } from 'node:http';
import { namesOf } from '../channels/registry.ts';
import { createApp } from '../server/app.ts';
import { mountOps } from '../server/health/routes.ts';
import { readIncoming } from '../server/http/body.node.ts';
import type { BodyLimits } from '../server/http/body.ts';
import type { AppContext } from '../server/http/context.ts';
import { nodeHeaders } from '../server/http/headers.node.ts';
import { createSourceLimiter } from '../server/http/limits.ts';
import { relevanceOf } from './agent-choice.ts';
import { callbackRoutes } from './callbacks.ts';
import { createChannelTable } from './channels.ts';
import { controlRoutes } from './control.node.ts';
import { type Listening, listen } from './http.node.ts';
import { createRequestIds } from './request-ids.node.ts';
import type { Runtime } from './runtime.node.ts';
import { createSourceOf } from './source.node.ts';

/** The Node request behind a context; `getRequestListener` puts it there. */
const incomingOf = (c: AppContext): IncomingMessage => (c.env as { incoming: IncomingMessage }).incoming;

/** Hooks, API, health and metrics on one port. */
export function startIngress(runtime: Runtime): Promise<Listening> {
  const { clients, config, plugs, crypto, identifier, log, metrics, scrub, sealer, store, ready, drain } = runtime;
  const sourceOf = createSourceOf(config.server.trustedProxies ?? []);
  const front = {
    scrub,
    meter: metrics.meter,
    headersOf: (c: AppContext) => nodeHeaders(incomingOf(c).headers),
    readBody: (c: AppContext, limits: BodyLimits) => readIncoming(incomingOf(c), limits),
    bodyTimeoutMs: config.server.bodyTimeout,
    sourceOf: (c: AppContext) => sourceOf(incomingOf(c).socket.remoteAddress ?? '', c.req.header('x-forwarded-for')),
    failures: createSourceLimiter(config.server.failuresPerMinute),
    isDraining: () => drain.signal.aborted,
    newRequestId: createRequestIds(crypto.random(6)),
    clock: Date.now,
    logger: log,
  };
  const app = createApp({
    ...front,
    inbox: store.inbox,
    awaitResult: store.jobs.awaitResult,
    sealer,
    channelNames: namesOf(plugs.modules),
    channel: createChannelTable(config, { crypto, identifier, clients, clock: Date.now }, plugs.modules),
    isRelevant: relevanceOf(config, plugs.modules),
    mount: [
      mountOps({ ready, metrics, metricsToken: config.metricsToken, crypto }),
      ...callbackRoutes(config, { ...front, crypto, callbacks: store.callbacks }),
      ...controlRoutes(runtime),
    ],
  });
  return listen(app, config.server.host ?? '0.0.0.0', config.server.port, config.server.bodyTimeout);
}
