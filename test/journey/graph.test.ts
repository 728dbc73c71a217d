import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GraphServer, startGraphServer } from '../../src/testing/graph/server.ts';
import { ensureBuilt } from '../support/built.ts';
import { sallyport } from '../support/command.ts';
import { freePort } from '../support/free-port.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';
import { until } from '../support/until.ts';

/** The built product as an operator starts it, and Microsoft Graph behind it. */
const KEY = Buffer.alloc(32, 7).toString('base64');
const METRICS_TOKEN = 'a-metrics-token-of-some-length';
const MAILBOX = 'users/agent@example.com/messages';

let folder: string;

beforeAll(async () => {
  await ensureBuilt();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-graph-journey-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('in production', () => {
  let graph: GraphServer;
  let gate: RoleProcess;
  let environment: Record<string, string>;

  beforeAll(async () => {
    graph = await startGraphServer();
    const port = await freePort();
    environment = {
      SALLYPORT_DATA_DIR: join(folder, 'production'),
      SALLYPORT_SEAL_KEY: KEY,
      SALLYPORT_ID_KEY: KEY,
      SALLYPORT_JWT_SECRET: KEY,
      SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
      SALLYPORT_PUBLIC_URL: `http://127.0.0.1:${port}`,
      SALLYPORT_URL: `http://127.0.0.1:${port}`,
      GRAPH_TENANT_ID: graph.tenantId,
      GRAPH_CLIENT_ID: graph.clientId,
      GRAPH_CLIENT_SECRET: graph.clientSecret,
      GRAPH_SUBSCRIPTIONS: MAILBOX,
      GRAPH_BASE_URL: graph.url,
      GRAPH_AUTHORITY_URL: graph.url,
      GRAPH_JWKS_URL: graph.jwksUrl,
    };
    gate = await startRole({ role: 'all', environment, folder, port });
    await until('the subscription is made', () => graph.subscriptions().length === 1);
  });
  afterAll(async () => {
    await gate.stop();
    await graph.stop();
  });

  const command = (...args: string[]) => sallyport(args, { folder, environment });
  const ready = async (): Promise<Record<string, { status: string; code?: string }>> =>
    ((await (await fetch(`${gate.url}/ready`)).json()) as { checks: never }).checks;

  test('a mail is answered in its thread, through a subscription the worker made when it started', async () => {
    graph.mail('agent@example.com', { text: 'are you there?', subject: 'Question' });
    await until('the reply is posted', () => graph.replies.length > 0);
    expect(graph.replies).toMatchObject([{ mailbox: 'agent@example.com', text: 'echo: Question\n\nare you there?' }]);
  });

  test('one token does for what keeps the subscription, reads the mail and replies', () => {
    expect(graph.calls.filter(({ path }) => path.endsWith('/oauth2/v2.0/token'))).toHaveLength(1);
  });

  test('answers show no outcome: whoever forges learns nothing', async () => {
    const [subscription] = graph.subscriptions();
    const response = await fetch(subscription?.notificationUrl ?? '', {
      method: 'POST',
      body: JSON.stringify({ value: [{ subscriptionId: 'x', tenantId: graph.tenantId, clientState: 'forged' }] }),
    });
    expect(response.status).toBe(202);
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-sallyport'))).toEqual([]);
  });

  test('operators see what is kept and until when, have it looked at now, and doctor agrees', async () => {
    const { code, out } = await command('subscriptions', 'list');
    const [subscription] = graph.subscriptions();
    expect(code).toBe(0);
    expect(out).toContain(`graph  ${MAILBOX}  active  expires=${new Date(subscription?.expiresAt ?? 0).toISOString()}`);
    expect((await command('doctor')).out).toContain('ok    graph (default): accepted, 1 subscriptions are there');
    const metrics = await fetch(`${gate.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
    const text = await metrics.text();
    const seconds = Number(/sallyport_subscription_expires_seconds\{channel="graph"\} (\S+)/.exec(text)?.[1]);
    expect(Math.abs(seconds - ((subscription?.expiresAt ?? 0) - Date.now()) / 1000)).toBeLessThan(60);
    expect(text).toContain('sallyport_source_alarms{channel="graph",alarm="lapsed"} 0');
  });

  test(
    'a subscription that ends is shown by readiness, which stays ready, and comes back with the next look',
    async () => {
      expect((await ready()).subscriptions).toMatchObject({ status: 'ok' });
      const [subscription] = graph.subscriptions();
      graph.failWith(({ path }) => path === '/subscriptions');
      if (subscription !== undefined) graph.removeSubscription(subscription);
      await until('the sync fails', async () => (await command('subscriptions', 'sync', '--json')).code === 1);
      await until('readiness is degraded', async () => (await ready()).subscriptions?.status === 'degraded');
      expect((await ready()).subscriptions).toMatchObject({ code: 'ERR_SUBSCRIPTION_LAPSED' });
      expect((await fetch(`${gate.url}/ready`)).status).toBe(200);
      graph.failWith(() => false);
      // Not at once: what has just failed is left alone for ten seconds.
      await until('the sync succeeds', async () => (await command('subscriptions', 'sync')).code === 0);
      expect(graph.subscriptions()).toHaveLength(1);
      await until('readiness is restored', async () => (await ready()).subscriptions?.status === 'ok');
    },
    CAMPAIGN_MS,
  );
});

test('what is missing is said by name, and nothing is started', async () => {
  const environment = {
    SALLYPORT_SEAL_KEY: KEY,
    SALLYPORT_ID_KEY: KEY,
    GRAPH_CLIENT_STATE: 'a-client-state-of-some-length',
    GRAPH_SUBSCRIPTIONS: `${MAILBOX},no resource`,
    GRAPH_ENCRYPTION_KEY: 'not a key',
    GRAPH_BASE_URL: 'http://graph.example',
  };
  const { code, err } = await sallyport(['all'], { folder, environment });
  expect(code).toBe(78);
  for (const name of ['GRAPH_TENANT_ID', 'GRAPH_SUBSCRIPTIONS', 'GRAPH_ENCRYPTION_KEY'])
    expect(err).toContain(`${name}:`);
  expect(err).not.toContain('not a key');
});

describe('in development', () => {
  let gate: RoleProcess;

  beforeAll(async () => {
    gate = await startRole({ role: 'dev', environment: {}, folder });
  });
  afterAll(() => gate.stop());

  const modes = ['stale', 'future', 'wrong-key', 'altered', 'replay', 'duplicate', 'reorder'] as const;

  test('send graph shows what a correct gate does, in every way to spoil it', async () => {
    const send = async (...more: string[]) => {
      const { code, out } = await sallyport(['send', 'graph', '--url', gate.url, ...more], { folder });
      return [code, out.replaceAll(/ ev_\w+/g, '').trim()];
    };
    const seen = Object.fromEntries(await Promise.all(modes.map(async (mode) => [mode, await send('--tamper', mode)])));
    expect(seen).toEqual({
      stale: [0, '202 quarantined'],
      future: [0, '202 quarantined'],
      'wrong-key': [0, '202 quarantined'],
      altered: [0, '202 quarantined'],
      replay: [0, '202 accepted\n202 duplicate'],
      duplicate: [0, '202 accepted\n202 duplicate'],
      reorder: [0, '202 accepted\n202 accepted'],
    });
    expect((await send('--text', 'hello', '--wait'))[1]).toContain('echo: Hello\n\nhello');
  });
});
