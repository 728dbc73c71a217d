import { expect, onTestFinished, test } from 'vitest';
import { startGmailServer } from '../../../src/testing/gmail/server.ts';
import { createFakeGraph } from '../../../src/testing/graph/server.ts';
import { startKeyServer } from '../../../src/testing/keys/key-server.ts';
import { startSlackServer } from '../../../src/testing/slack/server.ts';

/** What fails next is said to each local server by the same word, and each is stopped by the same word. */

test('the next request of Graph goes wrong as told, and the one after it does not', async () => {
  const graph = createFakeGraph();
  graph.failNext({ kind: 'status', status: 429, retryAfter: 3 });
  const ask = () => graph.fetch('https://graph.example/v1.0/users/a/messages/b');
  const first = await ask();
  expect([first.status, first.headers.get('retry-after')]).toEqual([429, '3']);
  expect((await ask()).status).toBe(401);
  expect(graph.calls).toHaveLength(2);
});

test('the next requests of Gmail go wrong as told, before those that the options name', async () => {
  const gmail = await startGmailServer({ clock: () => 0, fault: () => 500 });
  onTestFinished(() => gmail.stop());
  gmail.failNext(503);
  gmail.failNext(429);
  const ask = async () => (await fetch(`${gmail.url}gmail/v1/users/a@example.com/profile`)).status;
  expect([await ask(), await ask(), await ask()]).toEqual([503, 429, 500]);
});

test('every server is stopped by `stop`, and what was stopped by `close` still is', async () => {
  for (const verb of ['stop', 'close'] as const) {
    for (const server of [await startGmailServer({ clock: () => 0 }), await startKeyServer([])]) {
      const url = 'url' in server ? server.url : server.jwksUrl;
      await server[verb]();
      await expect(fetch(url)).rejects.toThrow();
    }
  }
  const slack = await startSlackServer();
  await slack.stop();
  await expect(fetch(slack.url)).rejects.toThrow();
});
