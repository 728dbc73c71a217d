import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { startIngress } from '../../src/app/ingress.node.ts';
import { loadHalves } from '../../src/app/roles.node.ts';
import { openRuntime } from '../../src/app/runtime.node.ts';
import { openChannels } from '../../src/app/worker.node.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { sendable } from '../support/post-call.ts';
import { SEAL_KEY, vendors } from '../support/reply-kill/plan.ts';
import { startWorld } from '../support/reply-kill/world.ts';
import { until } from '../support/until.ts';

/** The product's own composition: whatever leaves it does so through its clients, and ends with them. */

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Hop {
  readonly url: string;
  /** Connections of all time, and those that are open. */
  readonly all: number;
  readonly open: number;
}

/** A TCP hop before a local server, which sees every socket that is opened to it. */
async function startHop(target: string): Promise<Hop> {
  const { port, pathname } = new URL(target);
  const sockets = new Set<Socket>();
  let all = 0;
  const server = createServer((socket) => {
    all += 1;
    sockets.add(socket);
    const upstream = connect(Number(port), '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    socket.on('error', () => {}).on('close', () => void [sockets.delete(socket), upstream.destroy()]);
    upstream.on('error', () => socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    get all() {
      return all;
    },
    get open() {
      return sockets.size;
    },
  };
}

/** Token issuers whose one key signed nothing. */
async function startIssuers(): Promise<string> {
  const key = {
    ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
    kid: 'own',
  };
  const server = createHttpServer((request, response) => {
    const jwks_uri = `http://${request.headers.host}/keys`;
    response.end(JSON.stringify(request.url === '/openid' ? { jwks_uri } : { keys: [key] }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(
    () => void server.close(),
    () => server.closeAllConnections(),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('vendors, issuers and the model are asked by the clients alone, whose sockets end with the process', async () => {
  const hops: Record<string, Hop> = {};
  const hop = async (name: string, url: string): Promise<string> => {
    hops[name] = await startHop(url);
    return hops[name].url;
  };
  const world = await startWorld(hop);
  cleanups.push(world.stop);
  const { urls, graph } = world.plan;
  const llm = await startLlmServer();
  cleanups.push(() => llm.stop());
  const issuers = await startIssuers();
  const [tokenUrl, keys, modelUrl] = [
    await hop('teams token', urls.teamsToken),
    await hop('issuers', issuers),
    await hop('model', llm.url),
  ];
  const acme = {
    slack: { signingSecrets: ['a-signing-secret-of-32-characters'], botToken: 'xoxb-local-token', apiUrl: urls.slack },
    graph: { ...graph, baseUrl: urls.graph, authorityUrl: urls.graph, jwksUrl: `${keys}keys` },
    teams: {
      ...{ appId: 'app', appPassword: 'password', tokenUrl, openIdUrl: `${keys}openid` },
      serviceHosts: [new URL(urls.teams).host],
    },
    gmail: {
      ...{ audience: 'here', serviceAccount: 'push@example.com', subscription: 'projects/p1/subscriptions/s1' },
      ...{ baseUrl: urls.gmail, jwksUrl: `${keys}keys` },
    },
  };
  const key = Buffer.from(SEAL_KEY).toString('base64');
  const port = await freePort();
  const loaded = loadConfig(
    { tenants: { acme } },
    {
      ...{
        SALLYPORT_DATA_DIR: await testFolder(),
        SALLYPORT_SEAL_KEY: key,
        SALLYPORT_ID_KEY: key,
        LOG_LEVEL: 'silent',
      },
      ...{ PORT: String(port), HOST: '127.0.0.1', LLM_BASE_URL: modelUrl, LLM_MODEL: 'local' },
    },
    'all',
  );
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const runtime = await openRuntime(loaded.config, 'all', false);
  cleanups.push(() => runtime.store.close());
  const listening = await startIngress(runtime);
  const visit = globalThis.fetch;
  vi.stubGlobal('fetch', () => Promise.reject(new Error('not by way of the clients')));

  const { replier: replierFor } = openChannels(runtime, await loadHalves(runtime), async () => {});
  for (const vendor of vendors) {
    const { id: eventId, tenant, destination, sealed } = world.event(vendor, `asked-${vendor}`);
    const { signal } = new AbortController();
    const context = sendable({ tenant, eventId, destination, sealed, replyId: `reply-${vendor}`, signal });
    expect(await replierFor(tenant, vendor).send({ text: `to ${vendor}` }, context)).toEqual({ kind: 'delivered' });
  }
  expect(world.posted()).toHaveLength(vendors.length);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part({ alg: 'RS256', kid: 'unknown', typ: 'JWT' })}.${part({ iss: 'x' })}.c2ln`;
  for (const [channel, refused] of [
    ['teams', 403],
    ['gmail', 401],
  ]) {
    const init = { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } };
    const { status } = await visit(`http://127.0.0.1:${port}/hooks/${channel}/acme`, { ...init, body: '{}' });
    expect([channel, status]).toEqual([channel, refused]);
  }
  await until('every server was asked', () => Object.values(hops).every(({ all }) => all > 0));

  await listening.close(1_000);
  runtime.ready.stop();
  await runtime.clients.close(1_000);
  await until('every socket is closed', () => Object.values(hops).every(({ open }) => open === 0));
  expect(Object.keys(hops).sort()).toEqual(['gmail', 'graph', 'issuers', 'model', 'slack', 'teams', 'teams token']);
});
