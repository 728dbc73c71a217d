import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { App } from '../server/http/context.ts';
import { closeServer } from './close-server.node.ts';

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
