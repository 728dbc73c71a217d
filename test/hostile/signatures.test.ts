import { createHmac } from 'node:crypto';
import { Hono } from 'hono';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import { mountOps } from '../../src/server/health/routes.ts';
import type { App } from '../../src/server/http/context.ts';
import { signCallback } from '../../src/testing/agents/http-agent-server.ts';
import { encryptGraphContent, graphDelivery, graphItem, signGraphToken } from '../../src/testing/graph/signer.ts';
import { signSlackRequest, slackJson } from '../../src/testing/slack/signer.ts';
import { startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, signTeamsOutgoing } from '../../src/testing/teams/signer.ts';
import { createFakeClock } from '../support/clock.ts';
import { JWT_SECRET, openGate, SIGNING_SECRET } from '../support/gate.ts';
import { CLIENT_STATE, certificate, type GraphGate, openGraphGate } from '../support/graph-gate.ts';
import { AGENT_SECRET, openHttpGate } from '../support/http-agent.ts';
import { BASE64, BASE64URL, HEX, misspellings } from '../support/misspellings.ts';
import { message } from '../support/slack.ts';
import { APP_ID, botKey, openTeamsGate, SECURITY_TOKEN, said } from '../support/teams.ts';

/**
 * Every character of every proof counts. Each test changes them one by one, expects each change to be refused, and that
 * the honest proof is taken in the end, so that nothing else was wrong with the request.
 */

const MANY = 1_000_000;

/** Near misses that were not refused. `knock` resolves with true when it was let in. */
async function letIn(proof: string, alphabet: string, knock: (proof: string) => Promise<boolean>): Promise<string[]> {
  const passed: string[] = [];
  for (const { name, text } of misspellings(proof, alphabet)) if (await knock(text)) passed.push(name);
  return passed;
}

const post = async (app: App, url: string, headers: Record<string, string>, body: Uint8Array | string) =>
  (await app.request(url, { method: 'POST', headers, body: typeof body === 'string' ? body : new Uint8Array(body) }))
    .status;

test('Slack: every digit of the signature', async () => {
  const gate = await openGate({ failuresPerMinute: MANY });
  onTestFinished(() => gate.stop());
  const signing = { signingSecret: SIGNING_SECRET, at: Date.now() };
  const { headers, body } = signSlackRequest(slackJson(message({ text: 'hello' })), signing);
  const digest = headers['x-slack-signature']?.slice('v0='.length) ?? '';
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  const knock = async (text: string) =>
    (await post(
      gate.app,
      'http://gate.test/hooks/slack/default',
      { ...headers, 'x-slack-signature': `v0=${text}` },
      body,
    )) !== 401;
  expect(await letIn(digest, HEX, knock)).toEqual([]);
  expect(await knock(digest)).toBe(true);
});

describe('Teams', () => {
  const clock = createFakeClock(Date.now());
  async function openTeams() {
    const connector = await startBotConnectorServer({ keys: [botKey] });
    const gate = await openTeamsGate({ connector, clock: clock.now, failuresPerMinute: MANY });
    gate.work();
    onTestFinished(async () => {
      await gate.stop();
      await connector.stop();
    });
    return gate;
  }
  const hello = said({ text: 'hello', at: clock.now() });

  test('every character of an outgoing webhook’s HMAC', async () => {
    const gate = await openTeams();
    const request = signTeamsOutgoing(hello, { securityToken: SECURITY_TOKEN, at: clock.now() });
    const mac = request.headers.authorization?.slice('HMAC '.length) ?? '';
    expect(mac).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    const knock = async (text: string) =>
      (
        await gate.post(
          { ...request, headers: { ...request.headers, authorization: `HMAC ${text}` } },
          '/hooks/teams/acme/outgoing',
        )
      ).status !== 401;
    expect(await letIn(mac, BASE64, knock)).toEqual([]);
    expect(await knock(mac)).toBe(true);
  });

  test('every character of the signature of a bot’s token', async () => {
    const gate = await openTeams();
    const request = signTeamsActivity(hello, { key: botKey, appId: APP_ID, at: clock.now() });
    const token = request.headers.authorization ?? '';
    const signatureAt = token.lastIndexOf('.') + 1;
    const knock = async (text: string) => {
      const authorization = `${token.slice(0, signatureAt)}${text}`;
      const { status } = await gate.post({ ...request, headers: { ...request.headers, authorization } });
      return status !== 401 && status !== 403;
    };
    // 256 bytes: the last character has four bits that count for nothing.
    const signature = token.slice(signatureAt);
    expect(signature).toHaveLength(342);
    expect(await letIn(signature.slice(0, -1), BASE64URL, (text) => knock(`${text}${signature.at(-1)}`))).toEqual([]);
    expect(await knock(signature)).toBe(true);
  });
});

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

describe('Graph', () => {
  let counts: string[] = [];
  async function openGraph(): Promise<GraphGate> {
    counts = [];
    const delivery = (_channel: string, outcome: string): void => void counts.push(outcome);
    const gate = await openGraphGate({ meter: { ...silentMeter, delivery }, failuresPerMinute: MANY });
    onTestFinished(() => gate.stop());
    return gate;
  }
  /** Graph is answered 202 whatever it sends, so what was counted tells whether it was let in. */
  async function isAccepted(gate: GraphGate, item: object, rest = '', tokens?: readonly string[]): Promise<boolean> {
    counts = [];
    await gate.post(rest, graphDelivery([item], tokens));
    expect(counts).toHaveLength(1);
    return counts[0] === 'accepted';
  }
  let written = 0;
  const itemOf = (gate: GraphGate, overrides: object = {}) => {
    written += 1;
    const resource = `users('a')/messages('${written}')`;
    return { ...graphItem({ tenantId: gate.graph.tenantId, clientState: CLIENT_STATE, resource }), ...overrides };
  };

  test('every character of the signature of encrypted data', async () => {
    const gate = await openGraph();
    const { key, tenantId, clientId } = gate.graph;
    const token = signGraphToken({ key, tenantId, clientId, at: gate.clock.now() });
    const content = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
    const knock = (dataSignature: string) =>
      isAccepted(gate, itemOf(gate, { encryptedContent: { ...content, dataSignature } }), '', [token]);
    expect(content.dataSignature).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(await letIn(content.dataSignature, BASE64, knock)).toEqual([]);
    expect(await knock(content.dataSignature)).toBe(true);
  });

  test('every character of the signature of a validation token', async () => {
    const gate = await openGraph();
    const { key, tenantId, clientId } = gate.graph;
    const token = signGraphToken({ key, tenantId, clientId, at: gate.clock.now() });
    const signatureAt = token.lastIndexOf('.') + 1;
    const encryptedContent = encryptGraphContent({ id: '1' }, certificate.publicKey, certificate.id);
    const knock = (signature: string) =>
      isAccepted(gate, itemOf(gate, { encryptedContent }), '', [`${token.slice(0, signatureAt)}${signature}`]);
    const signature = token.slice(signatureAt);
    expect(await letIn(signature.slice(0, -1), BASE64URL, (text) => knock(`${text}${signature.at(-1)}`))).toEqual([]);
    expect(await knock(signature)).toBe(true);
  });

  test('every character of a client state: of a hand-made one, and of one of ours', async () => {
    const gate = await openGraph();
    expect(
      await letIn(CLIENT_STATE, BASE64URL, (clientState) => isAccepted(gate, itemOf(gate, { clientState }))),
    ).toEqual([]);
    expect(await isAccepted(gate, itemOf(gate))).toBe(true);

    const nonce = gate.states.nonceOf('default', 'users/a@example.com/messages', 'created');
    const ours = gate.states.stateOf('default', nonce);
    const knock = (clientState: string) => isAccepted(gate, itemOf(gate, { clientState }), `/${nonce}`);
    expect(await letIn(ours, BASE64URL, knock)).toEqual([]);
    expect(await knock(ours)).toBe(true);
  });

  test('every character of the nonce in the URL', async () => {
    const gate = await openGraph();
    const nonce = gate.states.nonceOf('default', 'users/a@example.com/messages', 'created');
    const clientState = gate.states.stateOf('default', nonce);
    const knock = async (text: string) => {
      counts = [];
      await gate.post(`/${text}`, graphDelivery([itemOf(gate, { clientState })]));
      return counts.includes('accepted');
    };
    expect(await letIn(nonce, BASE64URL, knock)).toEqual([]);
    expect(await knock(nonce)).toBe(true);
  });
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
    metrics: createMetrics({ stats: null, sources: null, clock: Date.now }),
    metricsToken: token,
    crypto: nodeCrypto,
    tokenRefused: async () => {},
  })(app);
  const knock = async (text: string) =>
    (await app.request('http://gate.test/metrics', { headers: { authorization: `Bearer ${text}` } })).status !== 401;
  expect(await letIn(token, BASE64URL, knock)).toEqual([]);
  expect(await knock(token)).toBe(true);
});
