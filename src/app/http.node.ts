import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { mountOps } from '../server/health/routes.ts';
import { type App, unknownRoute } from '../server/http/context.ts';
import type { Runtime } from './runtime.node.ts';

/** Milliseconds for a request's headers. Slack gives up on the whole exchange after 3 s. */
const HEADERS_MS = 10_000;
/** Longer than the 60 s idle time of common load balancers, so that it is they who close idle connections. */
const KEEP_ALIVE_MS = 65_000;
/** How often Node looks for connections over their time, in ms. */
const CHECK_MS = 1_000;

export interface Listening {
  /** The port the system gave when 0 was asked for. */
  readonly port: number;
  /** Stops listening, lets answers in flight finish, and cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Serves an app. `bodyMs` is the app's own limit; Node's is the backstop behind it. */
export async function listen(app: App, host: string, port: number, bodyMs: number): Promise<Listening> {
  const answer = getRequestListener(app.fetch);
  let isClosing = false;
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: HEADERS_MS + bodyMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (incoming, outgoing) => {
      if (isClosing) outgoing.setHeader('connection', 'close');
      void answer(incoming, outgoing);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs) {
      isClosing = true;
      return closeServer(server, graceMs);
    },
  };
}

/** How long connections stay open for requests that are on their way when the end begins, in ms. */
const LINGER_MS = 500;
/** How often idle connections are looked for after that, in ms. */
const LOOK_MS = 50;

/**
 * Stops listening at once, lets answers in flight finish, and cuts what is left after `graceMs`. A connection that is idle
 * now may have a request on its way, so it stays open a moment longer for that to be answered.
 */
function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const lingerUntil = performance.now() + Math.min(LINGER_MS, graceMs / 2);
    const idle = setInterval(() => {
      if (performance.now() > lingerUntil) server.closeIdleConnections();
    }, LOOK_MS);
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    // http.Server's own close resets idle connections at once.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle);
      clearTimeout(cut);
      resolve();
    });
  });
}

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
