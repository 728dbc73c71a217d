import type { IncomingMessage } from 'node:http';
import { Hono } from 'hono';
import { mountOps } from '../server/health/routes.ts';
import { type App, type AppContext, createRequestIds, unknownRoute } from '../server/http/context.ts';
import { createTrust } from '../server/http/forwarded.node.ts';
import { type Listening, listen } from '../server/http/listen.node.ts';
import { problem } from '../server/http/respond.ts';
import { createPeers } from '../server/limits/peers.ts';
import { openApiGuard, openTokenRefused } from './api-tokens.ts';
import type { Runtime } from './runtime.node.ts';

/** Next to the ingress's own 8787. */
const DEFAULT_PORT = 8788;
/** Health routes take no bodies. */
const NO_BODY_MS = 1_000;

/**
 * Health and metrics of a worker process: on `SALLYPORT_WORKER_PORT`, else `PORT` where it was given, else 8788. A port
 * that is taken (the ingress beside it) costs the worker its health page, not its work.
 */
export async function startWorkerOps(runtime: Runtime, isPortGiven: boolean): Promise<Listening | null> {
  const { config, ready, metrics, crypto, log, tls } = runtime;
  const app: App = new Hono();
  const isTrusted = createTrust(config.server.trustedProxies ?? []);
  const peers = createPeers(isTrusted, (peer) =>
    log.warn({ peer, setting: 'SALLYPORT_TRUSTED_PROXIES' }, 'proxy.untrusted'),
  );
  const sourceOf = (c: AppContext): string => {
    const { socket } = (c.env as { incoming: IncomingMessage }).incoming;
    return peers.sourceOf(socket.remoteAddress ?? '', c.req.header('x-forwarded-for'));
  };
  const guard = openApiGuard(runtime, peers.isShared);
  const tokenRefused = openTokenRefused(runtime, guard);
  mountOps({ ready, metrics, metricsToken: config.metricsToken, crypto, tokenRefused, sourceOf, guard })(app);
  const newRequestId = createRequestIds(crypto.random(6));
  app.notFound(() => unknownRoute(newRequestId()));
  app.onError((error) => problem(error, newRequestId()));
  const port = config.server.workerPort ?? (isPortGiven ? config.server.port : DEFAULT_PORT);
  try {
    const host = config.server.host ?? '0.0.0.0';
    return await listen(app, { host, port, bodyMs: NO_BODY_MS, isTrusted, newRequestId, tls });
  } catch (error) {
    log.warn({ port, setting: 'SALLYPORT_WORKER_PORT', error }, 'worker.port-taken');
    return null;
  }
}
