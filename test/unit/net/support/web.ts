import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { buildConnector } from 'undici';
import { onTestFinished } from 'vitest';
import type { Resolve } from '../../../../src/net/guard/resolve.ts';
import type { Connector } from '../../../../src/net/pools.ts';

/** A local web server that counts what reaches it; closed when the test ends. */
export interface Web {
  readonly port: number;
  /** TCP connections accepted so far: what "no socket was opened" is measured by. */
  readonly connections: () => number;
  readonly requests: readonly IncomingMessage[];
}

export async function startWeb(handler: RequestListener, tls?: { key: string; cert: string }): Promise<Web> {
  const requests: IncomingMessage[] = [];
  const counted: RequestListener = (request, response) => {
    requests.push(request);
    handler(request, response);
  };
  const server: Server = tls === undefined ? createServer(counted) : createTlsServer(tls, counted);
  // A slow machine takes longer between two requests than the usual 5 s.
  server.keepAliveTimeout = 60_000;
  const { port, connections } = await startCounting(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port, connections, requests };
}

/** Starts any server on a free port of 127.0.0.1 and counts its connections. */
export async function startCounting(server: NetServer): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

/** Answers every request with a redirect. */
export const redirecting =
  (status: number, location: string): RequestListener =>
  (_request, response) =>
    response.writeHead(status, { location }).end();

/** Names and their addresses; asked for anything else it has no answer. Counts the questions. */
export function fixedNames(names: Readonly<Record<string, readonly string[]>>): Resolve & { asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = async (host) => {
    asked.push(host);
    return names[host] ?? [];
  };
  return Object.assign(resolve, { asked });
}

export interface Dialling {
  readonly connector: Connector;
  /** `address:port` of every socket that was asked for, in order. */
  readonly dialled: string[];
}

/**
 * A network in which public addresses exist: `routes` says which local port stands for which `address:port`. Everything
 * else refuses the connection, and nothing ever leaves this machine.
 */
export function dialling(routes: Readonly<Record<string, number>>, tls: { ca?: string } = {}): Dialling {
  const open = buildConnector({ ...tls, timeout: 5_000 });
  const dialled: string[] = [];
  return {
    dialled,
    connector: (options, callback) => {
      const port = options.port || (options.protocol === 'https:' ? '443' : '80');
      const to = `${options.hostname}:${port}`;
      dialled.push(to);
      const local = routes[to];
      if (local !== undefined) open({ ...options, hostname: '127.0.0.1', port: String(local) }, callback);
      else callback(Object.assign(new Error('refused'), { syscall: 'connect', code: 'ECONNREFUSED' }), null);
    },
  };
}
