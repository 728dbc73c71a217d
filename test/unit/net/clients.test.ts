import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Clients, createClients } from '../../../src/net/clients.ts';
import { until } from '../../support/until.ts';

let clients: Clients;
let server: Server;
let url: string;
let asked: number;
/** Sockets that are open at the server. */
let sockets: Set<Socket>;

beforeEach(async () => {
  clients = createClients();
  asked = 0;
  sockets = new Set();
  const own = sockets;
  // `/slow` is never answered.
  server = createServer((request, response) => {
    asked += 1;
    if (request.url !== '/slow') response.end('here');
  });
  server.on('connection', (socket) => {
    own.add(socket);
    socket.on('close', () => own.delete(socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  await clients.close(0);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('opens what is configured, as it is configured, and nothing beside it', async () => {
  const { request, fetch } = clients.open('vendor', [url]);
  expect((await request(url)).text()).toBe('here');
  expect(await (await fetch(url)).text()).toBe('here');
  const elsewhere = clients.open('vendor', ['http://127.0.0.1:1/']);
  await expect(elsewhere.request(url)).rejects.toMatchObject({ reason: 'address-loopback' });
  expect(asked).toBe(2);
});

it('lets tools open nothing private, and only the hosts that are listed', async () => {
  await expect(clients.openTool().request(url)).rejects.toMatchObject({ reason: 'address-loopback' });
  const listed = clients.openTool((host) => host === 'docs.example');
  await expect(listed.request('https://elsewhere.example/')).rejects.toMatchObject({ reason: 'host-not-listed' });
  expect(asked).toBe(0);
});

it('closes every idle socket at once, and refuses what comes later without opening one', async () => {
  const one = clients.open('model', [url]);
  const other = clients.open('agent', [url]);
  await Promise.all([one.request(url), other.request(url)]);
  expect(sockets.size).toBe(2);
  await clients.close(60_000);
  await until('the sockets are closed', () => sockets.size === 0);
  const unused = clients.open('guardrail', [url]);
  await expect(one.request(url)).rejects.toMatchObject({ reason: 'client-closed' });
  await expect(unused.request(url)).rejects.toMatchObject({ reason: 'client-closed' });
  expect(asked).toBe(2);
});

it('waits for a request under way only as long as it is given', async () => {
  const { request } = clients.open('vendor', [url]);
  const answer = request(`${url}slow`).catch((error: unknown) => error);
  await until('it is asked', () => asked === 1);
  await clients.close(50);
  expect(await answer).toMatchObject({ code: 'ERR_OUTBOUND_FAILED' });
  await until('the socket is closed', () => sockets.size === 0);
});
