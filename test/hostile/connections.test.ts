import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();

async function startGate(environment: Record<string, string>) {
  const folder = await testFolder();
  const gate = await startRole({
    role: 'ingress',
    folder,
    environment: { ...keys, LOG_LEVEL: 'silent', ...environment },
  });
  onTestFinished(() => gate.kill());
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = async (): Promise<Socket> => {
    const socket = connect(gate.port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    socket.resume();
    return socket;
  };
  const post = async (headers: Record<string, string> = {}): Promise<number> => {
    const body = slackJson(slackMessage({ text: 'hi', channel: 'D0', at: Date.now() }));
    const signed = signSlackRequest(body, { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });
    const { status } = await fetch(`${gate.url}/hooks/slack/default`, {
      method: 'POST',
      headers: { ...signed.headers, ...headers },
      body: new Uint8Array(signed.body),
    });
    return status;
  };
  return { open, post, gate };
}

const isOpen = (socket: Socket): boolean => !socket.destroyed && socket.readyState === 'open';

test('idle connections over the bound make room, the eldest first, and a delivery finds a place', async () => {
  const { open, post } = await startGate({ SALLYPORT_MAX_CONNECTIONS: '20' });
  const sockets: Socket[] = [];
  for (let n = 0; n < 30; n += 1) sockets.push(await open());
  await until('the eldest are closed', () => sockets.filter(isOpen).length <= 20);
  expect(sockets.slice(0, 5).some(isOpen)).toBe(false);
  expect(sockets.slice(-10).every(isOpen)).toBe(true);
  expect(await post()).toBe(200);
});

test('a source has its own bound, unless it is a proxy, which stands for many', async () => {
  const { open, post } = await startGate({ SALLYPORT_MAX_SOURCE_CONNECTIONS: '5' });
  const sockets: Socket[] = [];
  for (let n = 0; n < 10; n += 1) sockets.push(await open());
  await until('the eldest are closed', () => sockets.filter(isOpen).length <= 5);
  expect(await post({ 'x-forwarded-for': '203.0.113.1' })).toBe(200);
  const more: Socket[] = [];
  for (let n = 0; n < 8; n += 1) more.push(await open());
  // The answer comes after all that was closed for the connections before it.
  expect(await post()).toBe(200);
  expect(more.map(isOpen)).toEqual(more.map(() => true));
});

test('1,000 connections that come while the process is busy are taken by the system, and none has to be asked for again', async () => {
  const { open, post, gate } = await startGate({});
  gate.child.kill('SIGSTOP');
  try {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, open));
    expect(sockets.every(isOpen)).toBe(true);
  } finally {
    gate.child.kill('SIGCONT');
  }
  expect(await post()).toBe(200);
});
