import { Hono } from 'hono';
import { mountOps } from '../server/health/routes.ts';
import { type App, unknownRoute } from '../server/http/context.ts';
import { type Listening, listen } from './http.node.ts';
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
  const { config, ready, metrics, crypto, log } = runtime;
  const app: App = new Hono();
  mountOps({ ready, metrics, metricsToken: config.metricsToken, crypto })(app);
  app.notFound(() => unknownRoute(''));
  const port = config.server.workerPort ?? (isPortGiven ? config.server.port : DEFAULT_PORT);
  try {
    return await listen(app, config.server.host ?? '0.0.0.0', port, NO_BODY_MS);
  } catch (error) {
    log.warn({ port, setting: 'SALLYPORT_WORKER_PORT', error }, 'worker.port-taken');
    return null;
  }
}
