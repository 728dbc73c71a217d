import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';

/** How long connections stay open for requests that are on their way when the end begins, in ms. */
const LINGER_MS = 500;
/** How often idle connections are looked for after that, in ms. */
const LOOK_MS = 50;

/**
 * Stops listening at once, lets answers in flight finish, and cuts what is left after `graceMs`. A connection that is idle
 * now may have a request on its way, so it stays open a moment longer for that to be answered.
 */
export function closeServer(server: Server, graceMs: number): Promise<void> {
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
