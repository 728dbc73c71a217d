import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { Crypto } from '../../src/core/crypto/crypto.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import type { QueueStats } from '../../src/queue/jobs.ts';
import { mountOps } from '../../src/server/health/routes.ts';
import type { App } from '../../src/server/http/context.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { type SlackTamper, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const METRICS_TOKEN = 'a-token-for-metrics-only';
const TENANT = 'c4n4ry-tenant';
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';

let folder: string;
let slack: SlackServer;
let gate: RoleProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-metrics-'));
  slack = await startSlackServer();
  const tenant = { slack: { signingSecrets: [SECRET], botToken: 'xoxb-local-token-for-tests', apiUrl: slack.url } };
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants: { [TENANT]: tenant } }));
  const { SALLYPORT_SEAL_KEY, SALLYPORT_ID_KEY } = freshKeys();
  const environment = {
    SALLYPORT_SEAL_KEY,
    SALLYPORT_ID_KEY,
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SALLYPORT_API_FAILURES: '1000/15m',
    LOG_LEVEL: 'silent',
  };
  gate = await startRole({ role: 'all', folder, environment });
});
afterAll(async () => {
  await gate?.kill();
  await slack?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function post(payload: unknown, tamper?: SlackTamper): Promise<number> {
  const signing = { signingSecret: SECRET, at: Date.now(), ...(tamper && { tamper }) };
  const { headers, body } = signSlackRequest(slackJson(payload), signing);
  const url = `${gate.url}/hooks/slack/${TENANT}`;
  return (await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })).status;
}

const say = (text: string, ts?: string) => slackMessage({ text, channel: 'D0', at: Date.now(), ...(ts && { ts }) });

const happening = (type: string) => ({ ...say(''), event: { type, user: 'U0SENDER', channel: 'C0' } });

/** Samples by name and labels, as Prometheus reads them. */
async function scrape(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');

test('what happened is counted under the documented names', async () => {
  const ts = '1700000000.000100';
  expect(await post(say('one', ts))).toBe(200);
  expect(await post(say('one', ts))).toBe(200);
  expect(await post(say('other text', ts))).toBe(200);
  expect(await post(say(`the token ${token}`))).toBe(200);
  expect(await post(happening('reaction_added'))).toBe(200);
  expect(await post(say('x'), 'wrong-key')).toBe(401);
  expect(await post(say('x'), 'stale')).toBe(401);
  await until('two replies are posted', () => slack.posts.length >= 2);
  let samples = await scrape(gate.url);
  await until('both events are counted as done', async () => {
    samples = await scrape(gate.url);
    return samples.get('sallyport_queue_events{state="done"}') === 2;
  });
  expect(Object.fromEntries(samples)).toMatchObject({
    'sallyport_deliveries_total{channel="slack",outcome="accepted",reason=""}': 2,
    'sallyport_deliveries_total{channel="slack",outcome="duplicate",reason=""}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="conflict",reason=""}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="ignored",reason="no_agent"}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="rejected",reason="signature_mismatch"}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="rejected",reason="timestamp_outside_tolerance"}': 1,
    'sallyport_ack_seconds_count{channel="slack"}': 7,
    'sallyport_runs_total{agent="echo",outcome="replied"}': 2,
    'sallyport_run_seconds_count{agent="echo"}': 2,
    'sallyport_replies_total{channel="slack",outcome="delivered"}': 2,
    'sallyport_queue_events{state="queued"}': 0,
    'sallyport_queue_events{state="conflict"}': 1,
    sallyport_queue_oldest_seconds: 0,
    sallyport_redis_memory_ratio: expect.any(Number),
    'sallyport_last_event_seconds{channel="slack"}': expect.any(Number),
  });
  const found = [...samples.keys()].filter((name) => name.startsWith('sallyport_scrub_findings_total{rule="'));
  expect(found.length).toBeGreaterThan(0);
});

test('no sample names a tenant, and strangers cannot make new ones', async () => {
  const before = [...(await scrape(gate.url)).keys()];
  expect(before.join('\n')).not.toContain(TENANT);
  for (let i = 0; i < 50; i += 1) {
    await post(say(`junk ${i}`), 'wrong-key');
    await fetch(`${gate.url}/hooks/slack/junk-${i}`, { method: 'POST', body: '{}' });
    await fetch(`${gate.url}/junk-${i}`, { headers: { 'user-agent': `junk-${i}` } });
    await post(happening(`junk_${i}`));
    await post({ type: `junk_${i}` });
  }
  const after = [...(await scrape(gate.url)).keys()];
  const isNew = (name: string): boolean => !before.includes(name);
  // One for the reason nobody had given before.
  expect(after.filter(isNew)).toEqual([
    'sallyport_deliveries_total{channel="slack",outcome="ignored",reason="unknown_type"}',
  ]);
  expect(after.join('\n')).not.toContain('junk');
});

test('without the right token there are no metrics', async () => {
  const ask = async (authorization?: string, method = 'GET') => {
    const response = await fetch(`${gate.url}/metrics`, {
      method,
      ...(authorization && { headers: { authorization } }),
    });
    return {
      status: response.status,
      body: await response.text(),
      challenge: response.headers.get('www-authenticate'),
    };
  };
  const refused = { status: 401, body: '', challenge: 'Bearer' };
  for (const wrong of [
    undefined,
    'Bearer',
    'Bearer ',
    `Bearer ${METRICS_TOKEN}x`,
    `Bearer ${METRICS_TOKEN.slice(0, -1)}`,
    `Bearer ${METRICS_TOKEN} ${METRICS_TOKEN}`,
    `Basic ${METRICS_TOKEN}`,
    METRICS_TOKEN,
    `Bearer ${'x'.repeat(8_000)}`,
  ]) {
    expect(await ask(wrong)).toEqual(refused);
  }
  expect((await ask(`Bearer ${METRICS_TOKEN}`, 'POST')).status).toBe(405);
});

test('where no token is configured there is no such page, not even for the empty token', async () => {
  const bare = await startRole({
    role: 'ingress',
    folder: await testFolder(),
    environment: { ...freshKeys(), LOG_LEVEL: 'silent' },
  });
  onTestFinished(() => bare.kill());
  const ask = async (path: string, authorization: string) => {
    const response = await fetch(`${bare.url}${path}`, { headers: { authorization } });
    const { requestId: _, ...body } = (await response.json()) as Record<string, unknown>;
    return { status: response.status, body };
  };
  for (const authorization of ['', 'Bearer ', 'Bearer undefined']) {
    expect(await ask('/metrics', authorization)).toEqual(await ask('/nowhere', ''));
  }
  expect((await ask('/metrics', '')).status).toBe(404);
});

/** The page over given figures, and what its comparison was given to compare. */
function page(stats: () => Promise<QueueStats>) {
  const compared: number[][] = [];
  const crypto: Crypto = {
    ...nodeCrypto,
    equal(a, b) {
      compared.push([a.length, b.length]);
      return nodeCrypto.equal(a, b);
    },
  };
  const app: App = new Hono();
  const metrics = createMetrics({ stats, sources: null, clock: Date.now });
  const ready = { current: () => ({ status: 'ok', checks: {} }) as const, refresh: async () => {}, stop: () => {} };
  mountOps({ ready, metrics, metricsToken: METRICS_TOKEN, crypto, tokenRefused: async () => {} })(app);
  const ask = async (authorization: string) => app.request('http://gate.test/metrics', { headers: { authorization } });
  return { ask, compared };
}

test('a token is compared by digests of one length, whatever was given', async () => {
  const { ask, compared } = page(async () => ({ states: {}, oldestMs: 0 }));
  for (const given of ['', 'Bearer a', `Bearer ${METRICS_TOKEN}`, `Bearer ${'x'.repeat(500)}`]) await ask(given);
  expect(compared).toEqual(Array.from({ length: 4 }, () => [32, 32]));
});

test('the queue’s figures are those of the moment; of a store that is away there are none', async () => {
  let stats = async (): Promise<QueueStats> => ({ states: { queued: 3 }, oldestMs: 1_500, memoryRatio: 0.25 });
  const { ask } = page(() => stats());
  const gauges = async () => {
    const text = await (await ask(`Bearer ${METRICS_TOKEN}`)).text();
    return text
      .split('\n')
      .filter((line) => /^sallyport_(queue_events\{state="queued"|queue_oldest|redis)/.test(line))
      .sort();
  };
  expect(await gauges()).toEqual([
    'sallyport_queue_events{state="queued"} 3',
    'sallyport_queue_oldest_seconds 1.5',
    'sallyport_redis_memory_ratio 0.25',
  ]);
  stats = () => Promise.reject(new Error('away'));
  expect(await gauges()).toEqual([]);
  stats = async () => ({ states: {}, oldestMs: 0 });
  expect(await gauges()).toEqual([
    'sallyport_queue_events{state="queued"} 0',
    'sallyport_queue_oldest_seconds 0',
    'sallyport_redis_memory_ratio 0',
  ]);
});
