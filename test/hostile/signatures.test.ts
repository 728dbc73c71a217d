import { createHmac } from 'node:crypto';
import { Hono } from 'hono';
import { expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import { mountOps } from '../../src/server/health/routes.ts';
import type { App } from '../../src/server/http/context.ts';
import { signCallback } from '../../src/testing/agents/http-agent-server.ts';
import { signatures } from '../contracts/signatures.contract.ts';
import { openNodeFront } from '../support/fronts.ts';
import { JWT_SECRET, openGate } from '../support/gate.ts';
import { AGENT_SECRET, openHttpGate } from '../support/http-agent.ts';
import { BASE64, BASE64URL, letIn } from '../support/misspellings.ts';

signatures('Node', openNodeFront);

/** The same for what is no delivery: Node alone has the API, and an agent's callback is verified by it. */

const MANY = 1_000_000;

const post = async (app: App, url: string, headers: Record<string, string>, body: Uint8Array | string) =>
  (await app.request(url, { method: 'POST', headers, body: typeof body === 'string' ? body : new Uint8Array(body) }))
    .status;

test('callbacks: every character of the signature', async () => {
  const http = await openHttpGate({ react: () => ({ status: 202 }), failuresPerMinute: MANY });
  onTestFinished(() => http.stop());
  await http.drain(await http.say('hello'));
  const run = http.agent.requests.at(-1)?.run ?? '';
  const { headers, body } = signCallback({ secret: AGENT_SECRET, run, answer: {}, at: http.clock.now() });
  const signature = headers['webhook-signature']?.slice('v1,'.length) ?? '';
  expect(signature).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  const knock = async (text: string) =>
    (await post(
      http.gate.app,
      `http://gate.test/callbacks/${run}`,
      { ...headers, 'webhook-signature': `v1,${text}` },
      body,
    )) !== 401;
  expect(await letIn(signature, BASE64, knock)).toEqual([]);
  // The same bytes in another spelling: the last character has two bits that count for nothing.
  const respelled = signature.replace(/(.)=$/, (_, last: string) => `${BASE64[BASE64.indexOf(last) + 1]}=`);
  expect(Buffer.from(respelled, 'base64')).toEqual(Buffer.from(signature, 'base64'));
  for (const other of [respelled, signature.slice(0, -1), signature.replaceAll('+', '-').replaceAll('/', '_')]) {
    if (other !== signature) expect(await knock(other), other).toBe(false);
  }
  expect(await knock(signature)).toBe(true);
});

test('the API: every character of a token, whatever part of it', async () => {
  const gate = await openGate({ failuresPerMinute: MANY });
  onTestFinished(() => gate.stop());
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: 'ada', tenant: 'default', scope: 'events:read', exp: Math.floor(Date.now() / 1000) + 600 };
  const signed = `${encode({ alg: 'HS256' })}.${encode(claims)}`;
  const token = `${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}`;
  const knock = async (text: string) =>
    (await gate.app.request('http://gate.test/events', { headers: { authorization: `Bearer ${text}` } })).status !==
    401;
  expect(await letIn(token, BASE64URL, knock)).toEqual([]);
  expect(await knock(token)).toBe(true);
});

test('metrics: every character of the bearer token', async () => {
  const token = 'a-token-for-metrics-only';
  const app: App = new Hono();
  mountOps({
    ready: { current: () => ({ status: 'ok' }) } as never,
    metrics: createMetrics({ figures: {}, clock: Date.now }),
    metricsToken: token,
    crypto: nodeCrypto,
    tokenRefused: async () => {},
  })(app);
  const knock = async (text: string) =>
    (await app.request('http://gate.test/metrics', { headers: { authorization: `Bearer ${text}` } })).status !== 401;
  expect(await letIn(token, BASE64URL, knock)).toEqual([]);
  expect(await knock(token)).toBe(true);
});
