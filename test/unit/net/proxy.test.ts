import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { type Clients, createClients } from '../../../src/net/clients.ts';
import { failed } from '../../../src/net/guard/reasons.ts';
import type { Resolve } from '../../../src/net/guard/resolve.ts';
import { describeWith } from '../../support/needs.ts';
import { until } from '../../support/until.ts';
import { selfSigned } from './support/certificate.ts';
import { fixedNames, startWeb, type Web } from './support/web.ts';

const VENDOR = 'https://vendor.example/answer';
const CREDENTIALS = 'user:p%40ss%20word';

let identity: ReturnType<typeof selfSigned>;
let web: Web;
let proxy: Awaited<ReturnType<typeof startProxy>>;

/** A proxy that asks for credentials, and whose tunnels all lead to the local server, whatever they are asked for. */
async function startProxy(target: () => number, answer = () => '200 Connection Established') {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((_, response) => response.writeHead(405).end());
  server.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.on('connect', (request, client: Socket) => {
    asked.push(request.url ?? '');
    client.on('error', () => {});
    const given = Buffer.from((request.headers['proxy-authorization'] ?? '').replace('Basic ', ''), 'base64');
    const status = given.toString() === 'user:p@ss word' ? answer() : '407 Proxy Authentication Required';
    if (!status.startsWith('200')) return void client.end(`HTTP/1.1 ${status}\r\n\r\n`);
    client.write(`HTTP/1.1 ${status}\r\n\r\n`);
    const upstream = connect(target(), '127.0.0.1').on('error', () => client.destroy());
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { asked, sockets, at: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const names = fixedNames({ 'vendor.example': ['93.184.216.34'], 'inside.example': ['127.0.0.1'] });

function open(at: string, resolve: Resolve = names): Clients {
  const clients = createClients({ proxy: `http://${at}/`, ca: [identity.cert], resolve });
  onTestFinished(() => clients.close(0));
  return clients;
}

describeWith('openssl')('the proxy', () => {
  beforeAll(() => {
    identity = selfSigned(['vendor.example', 'inside.example']);
  });
  beforeEach(async () => {
    web = await startWeb((request, response) => response.end(`${request.headers.host}${request.url}`), identity);
    proxy = await startProxy(() => web.port);
  });
  const through = (resolve?: Resolve) => open(`${CREDENTIALS}@${proxy.at}`, resolve);

  it('carries vendors and models, by name and in TLS of their own', async () => {
    const clients = through();
    for (const purpose of ['vendor', 'model'] as const) {
      const { request } = clients.open(purpose, ['https://vendor.example/']);
      expect((await request(VENDOR)).text()).toBe('vendor.example/answer');
    }
    expect(proxy.asked).toEqual(['vendor.example:443', 'vendor.example:443']);
    expect(web.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it.each([
    ['no address', async () => []],
    ['a name server that does not answer', () => Promise.reject(failed('dns-failed'))],
  ])('knows hosts for which this machine has %s', async (_, resolve: Resolve) => {
    const { request } = through(resolve).open('vendor', ['https://vendor.example/']);
    expect((await request(VENDOR)).status).toBe(200);
  });

  it('keeps its tunnels for further requests, and ends them with the clients', async () => {
    const clients = through();
    const { request } = clients.open('vendor', []);
    for (let n = 0; n < 10; n += 1) await request(VENDOR);
    // A request that follows at once may come before the socket of the last one is free.
    expect(proxy.asked.length).toBeLessThan(4);
    await clients.close(1_000);
    await until('the tunnel is closed', () => proxy.sockets.size === 0);
  });

  it('gets nothing that is private: configured hosts are reached directly, others not at all', async () => {
    const inside = `https://inside.example:${web.port}/`;
    const clients = through();
    expect((await clients.open('vendor', [inside]).request(inside)).status).toBe(200);
    const local = `https://127.0.0.1:${web.port}/`;
    // The certificate is not made out for it, which only a direct connection can tell.
    await expect(clients.open('model', [local]).request(local)).rejects.toMatchObject({ reason: 'tls-failed' });
    const { request } = clients.open('vendor', []);
    await expect(request('https://inside.example/')).rejects.toMatchObject({ reason: 'address-loopback' });
    await expect(request('https://10.1.2.3/')).rejects.toMatchObject({ reason: 'address-private' });
    await expect(request('http://localhost/')).rejects.toMatchObject({ reason: 'name-local' });
    expect(proxy.asked).toEqual([]);
  });

  it('gets nothing of tools, agents, guardrails and checkpoints', async () => {
    const clients = through(fixedNames({}));
    const open = [
      clients.openTool(),
      ...(['agent', 'guardrail', 'checkpoint'] as const).map((one) => clients.open(one, [VENDOR])),
    ];
    for (const { request } of open) await expect(request(VENDOR)).rejects.toMatchObject({ reason: 'dns-empty' });
    expect(proxy.asked).toEqual([]);
  });

  it.each(['', 'user:wrong-password@', 'user@'])(
    'that gets wrong credentials (%s) is named by its setting',
    async (given) => {
      const { request } = open(`${given}${proxy.at}`).open('vendor', []);
      const error = await request(VENDOR).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ERR_OUTBOUND_FAILED', reason: 'proxy-unauthorized' });
      expect(String(error)).toContain('SALLYPORT_HTTPS_PROXY: the proxy does not accept its credentials');
      expect(`${error}${JSON.stringify(error)}${(error as Error).stack}`).not.toMatch(/wrong-password|127\.0\.0\.1/);
      expect(web.requests).toEqual([]);
    },
  );

  it('that refuses, is no proxy or is not there is told from the host', async () => {
    const stern = await startProxy(
      () => web.port,
      () => '403 Forbidden',
    );
    const refused = open(`${CREDENTIALS}@${stern.at}`).open('vendor', []);
    await expect(refused.request(VENDOR)).rejects.toMatchObject({ reason: 'proxy-refused' });
    const plain = await startWeb((_, response) => response.end());
    const gone = open('127.0.0.1:1').open('vendor', []);
    await expect(gone.request(VENDOR)).rejects.toMatchObject({ reason: 'proxy-unreachable' });
    const other = open(`127.0.0.1:${plain.port}`).open('vendor', []);
    await expect(other.request(VENDOR)).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED' });
  });

  it('that leads elsewhere is found out by the certificate', async () => {
    const { request } = through().open('vendor', []);
    await expect(request('https://another.example/')).rejects.toMatchObject({ reason: 'tls-failed' });
    expect(web.requests).toEqual([]);
  });
});
