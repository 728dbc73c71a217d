import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { signPushToken } from '../../src/testing/gmail/google-signer.ts';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { createSigningKey, type SigningKey } from '../../src/testing/keys/signing-key.ts';
import { createFakeClock, PATIENCE_MS } from '../support/clock.ts';
import { edgeFronts, type Front } from '../support/fronts.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION } from '../support/gmail.ts';
import { within } from '../support/until.ts';

/**
 * An issuer that is slow, and requests that end before it has answered: the Workers runtime ends what a request has started
 * with the request, and a promise of it then never settles. Another request that waits for it would hang.
 */

const openEdgeFront = edgeFronts();
const { now, advance } = createFakeClock();

/** Of the key set, in ms: it is fetched anew behind a delivery from 48 s on. */
const MAX_AGE_MS = 60_000;

let published: readonly SigningKey[] = [googleKey];
/** Requests for the keys, each answered when the test says so. */
let asked: (() => void)[] = [];
let isSlow = false;
let server: Server;
let front: Front;

beforeAll(async () => {
  server = createServer((_, response) => {
    const answer = (): void => {
      const headers = { 'content-type': 'application/json', 'cache-control': `max-age=${MAX_AGE_MS / 1000}` };
      response.writeHead(200, headers).end(JSON.stringify({ keys: published.map(({ jwk }) => jwk) }));
    };
    asked.push(answer);
    if (!isSlow) answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  published = [googleKey];
  isSlow = false;
  asked = [];
  front = await openEdgeFront({
    clock: now,
    settings: {
      GMAIL_PUSH_AUDIENCE: AUDIENCE,
      GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
      GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
      GMAIL_MAILBOXES: MAILBOX,
      GOOGLE_JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    },
  });
  return () => front.stop();
});

async function push(key = googleKey): Promise<number> {
  const sent = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1710', at: now() });
  const token = signPushToken({ key, audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at: now() });
  const { headers, body } = withToken(sent, token);
  const request = { method: 'POST', headers, body: new Uint8Array(body) };
  const answer = front.request(new Request('http://gate.test/hooks/gmail/default', request));
  return (await within('the answer to a push', PATIENCE_MS, answer)).status;
}

/** Keys that are known, and a refresh that a delivery has left behind without an answer. */
async function leaveRefreshBehind(): Promise<void> {
  expect(await push()).toBe(204);
  isSlow = true;
  advance(MAX_AGE_MS - 500);
  expect(await push()).toBe(204);
  await expect.poll(() => asked).toHaveLength(2);
}

test('a refresh goes on when the request that started it has ended, and what it brings is used', async () => {
  await leaveRefreshBehind();
  const next = createSigningKey({ kid: 'google-2' });
  published = [next];
  // Past the keys' age: this one waits for the refresh, which is under way.
  advance(1_000);
  const waiting = push(next);
  setTimeout(() => asked[1]?.(), 300);
  expect(await waiting).toBe(204);
  expect(asked).toHaveLength(2);
});

test('an issuer that never answers keeps no later request waiting for good', async () => {
  await leaveRefreshBehind();
  advance(1_000);
  // The keys that are known are still good enough.
  expect(await push()).toBe(204);
  advance(2_000);
  expect(await Promise.all([push(), push()])).toEqual([204, 204]);
  isSlow = false;
  advance(3_000);
  expect(await push()).toBe(204);
});
