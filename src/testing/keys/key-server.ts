import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SigningKey } from './signing-key.ts';

/** How the server behaves from now on. `garbage`: 200 with something that is no key set; `hang`: no answer at all. */
export type KeyServerMode = 'ok' | 'error' | 'garbage' | 'huge' | 'redirect' | 'hang';

/** An issuer's published keys on 127.0.0.1. */
export interface KeyServer {
  /** The key set itself. */
  readonly jwksUrl: string;
  /** OpenID Connect metadata that names the key set. */
  readonly openidUrl: string;
  /** Requests for the key set so far, in every mode. */
  readonly requests: () => number;
  /** What is published from now on. */
  publish(keys: readonly SigningKey[]): void;
  behave(mode: KeyServerMode): void;
  stop(): Promise<void>;
  /** @deprecated Use `stop`. */
  close(): Promise<void>;
}

export interface KeyServerOptions {
  /** `Cache-Control` of the key set. */
  readonly cacheControl?: string;
  /** Default: any free port. */
  readonly port?: number;
}

export async function startKeyServer(
  keys: readonly SigningKey[],
  { cacheControl, port = 0 }: KeyServerOptions = {},
): Promise<KeyServer> {
  let published = keys;
  let mode: KeyServerMode = 'ok';
  let count = 0;
  const server = createServer((request, response) => {
    if (request.url === '/openid') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ jwks_uri: `${origin()}/keys` }));
      return;
    }
    count += 1;
    if (mode === 'hang') return;
    if (cacheControl !== undefined) response.setHeader('cache-control', cacheControl);
    if (mode === 'redirect') response.writeHead(302, { location: `${origin()}/elsewhere` }).end();
    else if (mode === 'error') response.writeHead(500).end();
    else response.setHeader('content-type', 'application/json').end(bodies[mode](published));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    jwksUrl: `${origin()}/keys`,
    openidUrl: `${origin()}/openid`,
    requests: () => count,
    publish: (next) => {
      published = next;
    },
    behave: (next) => {
      mode = next;
    },
    stop,
    close: stop,
  };
}

const keySetOf = (keys: readonly SigningKey[]): string => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });

const bodies: Readonly<Record<'ok' | 'garbage' | 'huge', (keys: readonly SigningKey[]) => string>> = {
  ok: keySetOf,
  garbage: () => '<html>maintenance</html>',
  huge: (keys) => keySetOf(keys).padEnd(1024 * 1024),
};
