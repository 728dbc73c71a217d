import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { Crypto } from '../../src/core/crypto/crypto.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import type { StoreFigures } from '../../src/ops/store-gauges.ts';
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

async function post(payload: unknown, tamper?: SlackTamper, retry: Record<string, string> = {}): Promise<number> {
  const signing = { signingSecret: SECRET, at: Date.now(), ...(tamper && { tamper }) };
  const { headers, body } = signSlackRequest(slackJson(payload), signing);
  const url = `${gate.url}/hooks/slack/${TENANT}`;
  return (await fetch(url, { method: 'POST', headers: { ...headers, ...retry }, body: new Uint8Array(body) })).status;
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
  const again = (reason: string) => ({ 'x-slack-retry-num': '1', 'x-slack-retry-reason': reason });
  expect(await post(say('one', ts), undefined, again('http_timeout'))).toBe(200);
  expect(await post(say('one', ts), undefined, again('x'.repeat(40)))).toBe(200);
  expect(await post(say('one', ts), 'wrong-key', again('http_error'))).toBe(401);
  await until('two replies are posted', () => slack.posts.length >= 2);
  let samples = await scrape(gate.url);
  await until('both events are counted as done', async () => {
    samples = await scrape(gate.url);
    return samples.get('sallyport_queue_events{state="done"}') === 2;
  });
  expect(Object.fromEntries(samples)).toMatchObject({
    'sallyport_deliveries_total{channel="slack",outcome="accepted",reason=""}': 2,
    'sallyport_deliveries_total{channel="slack",outcome="duplicate",reason=""}': 3,
    'sallyport_deliveries_total{channel="slack",outcome="conflict",reason=""}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="ignored",reason="no_agent"}': 1,
    'sallyport_deliveries_total{channel="slack",outcome="rejected",reason="signature_mismatch"}': 2,
    'sallyport_deliveries_total{channel="slack",outcome="rejected",reason="timestamp_outside_tolerance"}': 1,
    'sallyport_ack_seconds_count{channel="slack"}': 10,
    'sallyport_sender_retries_total{channel="slack",reason="http_timeout"}': 1,
    'sallyport_sender_retries_total{channel="slack",reason="other"}': 1,
    'sallyport_runs_total{agent="echo",outcome="replied"}': 2,
    'sallyport_run_seconds_count{agent="echo"}': 2,
    'sallyport_replies_total{channel="slack",outcome="delivered"}': 2,
    'sallyport_queue_events{state="queued"}': 0,
    'sallyport_queue_events{state="conflict"}': 1,
    sallyport_queue_oldest_seconds: 0,
    sallyport_redis_memory_ratio: expect.any(Number),
    sallyport_queue_due: 0,
    sallyport_queue_due_oldest_seconds: 0,
    'sallyport_queue_parked{reason="uncounted"}': 0,
    'sallyport_workers{state="working"}': 1,
    'sallyport_workers{state="stalled"}': 0,
    'sallyport_budget_reserved_micros{scope="tenant"}': 0,
    'sallyport_budget_used_ratio{scope="tenant",window="day",part="spent"}': 0,
    'sallyport_budget_used_ratio{scope="tenant",window="day",part="reserved"}': 0,
    'sallyport_audit_entries_total{outcome="written"}': expect.any(Number),
    sallyport_audit_pending: 0,
    'sallyport_last_event_seconds{channel="slack"}': expect.any(Number),
  });
  expect([...samples.keys()].filter((name) => name.includes('http_error'))).toEqual([]);
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(samples.get(`sallyport_info{role="all",version="${version}"}`)).toBe(1);
  // No checkpoints are configured.
  expect(samples.has('sallyport_audit_checkpoint_age_seconds')).toBe(false);
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

const idle: QueueStats = { states: {}, oldestMs: 0, due: 0, dueMs: 0, auditPending: 0 };

/** The page over given figures, and what its comparison was given to compare. */
function page(figures: Partial<StoreFigures>) {
  const compared: number[][] = [];
  const crypto: Crypto = {
    ...nodeCrypto,
    equal(a, b) {
      compared.push([a.length, b.length]);
      return nodeCrypto.equal(a, b);
    },
  };
  const app: App = new Hono();
  let now = 1_000_000;
  const metrics = createMetrics({ figures, clock: () => now });
  const ready = { current: () => ({ status: 'ok', checks: {} }) as const, refresh: async () => {}, stop: () => {} };
  mountOps({ ready, metrics, metricsToken: METRICS_TOKEN, crypto, tokenRefused: async () => {} })(app);
  const ask = async (authorization: string) => app.request('http://gate.test/metrics', { headers: { authorization } });
  const advance = (ms: number): void => {
    now += ms;
  };
  /** Samples of the metrics whose name begins so. */
  const samples = async (prefix: string): Promise<string[]> => {
    const text = await (await ask(`Bearer ${METRICS_TOKEN}`)).text();
    return text.split('\n').filter((line) => line.startsWith(prefix));
  };
  return { ask, compared, samples, meter: metrics.meter, advance };
}

test('a token is compared by digests of one length, whatever was given', async () => {
  const { ask, compared } = page({ stats: async () => idle });
  for (const given of ['', 'Bearer a', `Bearer ${METRICS_TOKEN}`, `Bearer ${'x'.repeat(500)}`]) await ask(given);
  expect(compared).toEqual(Array.from({ length: 4 }, () => [32, 32]));
});

test('the queue’s figures are those of the moment; of a store that is away there are none', async () => {
  let stats = async (): Promise<QueueStats> => ({
    ...{ states: { queued: 3 }, oldestMs: 1_500, memoryRatio: 0.25 },
    ...{ due: 2, dueMs: 2_500, auditPending: 4 },
  });
  const { samples } = page({ stats: () => stats() });
  const gauges = async () =>
    (await samples('sallyport_'))
      .filter((line) =>
        /^sallyport_(queue_(?!events|parked)|queue_events\{state="queued"|redis|audit_pending)/.test(line),
      )
      .sort();
  expect(await gauges()).toEqual([
    'sallyport_audit_pending 4',
    'sallyport_queue_due 2',
    'sallyport_queue_due_oldest_seconds 2.5',
    'sallyport_queue_events{state="queued"} 3',
    'sallyport_queue_oldest_seconds 1.5',
    'sallyport_redis_memory_ratio 0.25',
  ]);
  stats = () => Promise.reject(new Error('away'));
  expect(await gauges()).toEqual([]);
  stats = async () => idle;
  expect(await gauges()).toEqual([
    'sallyport_audit_pending 0',
    'sallyport_queue_due 0',
    'sallyport_queue_due_oldest_seconds 0',
    'sallyport_queue_events{state="queued"} 0',
    'sallyport_queue_oldest_seconds 0',
    'sallyport_redis_memory_ratio 0',
  ]);
});

test('workers that were heard of are shown by whether they take work', async () => {
  let workers = async () => ({ working: 2, stalled: 1 });
  const { samples } = page({ workers: () => workers() });
  expect(await samples('sallyport_workers{')).toEqual([
    'sallyport_workers{state="working"} 2',
    'sallyport_workers{state="stalled"} 1',
  ]);
  workers = () => Promise.reject(new Error('away'));
  expect(await samples('sallyport_workers{')).toEqual([]);
});

test('figures that take many reads are read once for scrapes that follow each other, but not while they fail', async () => {
  let asked = 0;
  let isAway = true;
  const answer =
    <T>(value: T) =>
    async (): Promise<T> => {
      asked += 1;
      if (isAway) throw new Error('away');
      return value;
    };
  const { samples } = page({
    parked: answer({ byCode: new Map([['ERR_AGENT_FAILED', 3]] as const), uncounted: 7 }),
    budgets: answer({
      reserved: new Map([['tenant', 250_000]] as const),
      shares: [{ scope: 'tenant', window: 'day', spent: 0.5, reserved: 0.25 }] as const,
    }),
  });
  const both = async () => [...(await samples('sallyport_queue_parked{')), ...(await samples('sallyport_budget_'))];
  expect(await both()).toEqual([]);
  expect(asked).toBe(4);
  isAway = false;
  for (let scrapes = 0; scrapes < 3; scrapes += 1) {
    expect(await both()).toEqual([
      'sallyport_queue_parked{reason="agent_failed"} 3',
      'sallyport_queue_parked{reason="uncounted"} 7',
      'sallyport_budget_reserved_micros{scope="tenant"} 250000',
      'sallyport_budget_used_ratio{scope="tenant",window="day",part="spent"} 0.5',
      'sallyport_budget_used_ratio{scope="tenant",window="day",part="reserved"} 0.25',
    ]);
  }
  expect(asked).toBe(6);
});

test('what the audit and the store did is counted, and checkpoints have an age once this process has signed some', async () => {
  const { samples, meter, advance } = page({});
  meter.audited('written', 3);
  meter.audited('failed', 2);
  meter.checkpointed('replaced');
  meter.storeFailed('oom');
  advance(30_000);
  expect(await samples('sallyport_audit_')).toEqual([
    'sallyport_audit_entries_total{outcome="written"} 3',
    'sallyport_audit_entries_total{outcome="failed"} 2',
    'sallyport_audit_checkpoints_total{outcome="replaced"} 1',
  ]);
  expect(await samples('sallyport_store_errors_total{')).toEqual(['sallyport_store_errors_total{reason="oom"} 1']);
  meter.checkpointsDone();
  advance(5_000);
  expect(await samples('sallyport_audit_checkpoint_age')).toEqual(['sallyport_audit_checkpoint_age_seconds 5']);
});
