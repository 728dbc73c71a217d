import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LlmServer, type LlmServerOptions, startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { type SlackMessageOptions, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

const JWT_SECRET = 'agents-journey-secret-of-32-bytes-or-more';
const METRICS_TOKEN = 'metrics-token-of-the-journey';
const ZOD = import.meta.resolve('zod');

const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: PATIENCE_MS, interval: 50 });

let slack: SlackServer;
let llm: LlmServer;
let answer: LlmServerOptions['answer'];
beforeEach(async () => {
  slack = await startSlackServer();
  answer = undefined;
  const sayBack = { text: 'nothing was scripted' };
  llm = await startLlmServer({ apiKey: 'sk-local', answer: (request, n) => answer?.(request, n) ?? sayBack });
});
afterEach(() => Promise.all([slack.stop(), llm.stop()]));

interface Setting {
  /** Of `sallyport.config.js`. */
  readonly file?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly roles?: readonly string[];
}

interface World {
  readonly roles: readonly RoleProcess[];
  readonly folder: string;
  post(text: string, more?: Partial<SlackMessageOptions>): Promise<{ outcome: string | null; event: string | null }>;
  get(path: string): Promise<Record<string, unknown>>;
  api(path: string, body: object): Promise<number>;
}

async function withWorld({ file, environment = {}, roles = ['all'] }: Setting, use: (world: World) => Promise<void>) {
  const folder = await testFolder();
  if (file !== undefined) await writeFile(join(folder, 'sallyport.config.js'), file);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const keys = freshKeys();
  const settings = {
    ...keys,
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_LEASE: '1s',
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SALLYPORT_BUDGET_USER_RUNS_HOUR: '60',
    SLACK_API_URL: slack.url,
    LLM_BASE_URL: llm.url,
    LLM_API_KEY: 'sk-local',
    LLM_MODEL: 'local',
    LLM_PRICE_INPUT: '1',
    LLM_PRICE_OUTPUT: '2',
    FOLDER: folder,
    ...environment,
  };
  const started: RoleProcess[] = [];
  for (const role of roles) started.push(await startRole({ role, environment: settings, folder }));
  const base = started[0]?.url ?? '';
  const bearer = await new SignJWT({ tenant: 'default', scope: 'events:read budgets:write' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const headers = { authorization: `Bearer ${bearer}` };
  try {
    await use({
      roles: started,
      folder,
      async post(text, more = {}) {
        const at = Date.now();
        const payload = slackJson(slackMessage({ text, at, channel: 'D0000001', ...more }));
        const signed = signSlackRequest(payload, { signingSecret: keys.SLACK_SIGNING_SECRET, at });
        const request = { ...signed, body: new Uint8Array(signed.body) };
        const answer = await fetch(`${base}/hooks/slack/default`, request);
        const { headers: told } = answer;
        return { outcome: told.get('x-sallyport-outcome'), event: told.get('x-sallyport-event') };
      },
      get: async (path) => (await fetch(base + path, { headers })).json() as Promise<Record<string, unknown>>,
      api: async (path, body) =>
        (await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) })).status,
    });
  } finally {
    await Promise.all(started.map((role) => role.kill()));
  }
}

const texts = (): string[] => slack.posts.map(({ text }) => text);

/** A tool that never comes back the first time it is called, and says how often it ran. */
const slowTool = `
import { appendFileSync, readFileSync } from 'node:fs';
import { z } from ${JSON.stringify(ZOD)};
const log = process.env.FOLDER + '/ran';
const look = {
  name: 'look', description: 'Looks.', effect: 'none', input: z.strictObject({}),
  async run() {
    appendFileSync(log, 'x');
    if (readFileSync(log, 'utf8') === 'x') await new Promise(() => {});
    return 'seen';
  },
};
export default { agents: [{ name: 'support', instructions: 'You help.', tools: [look] }] };
`;

/** An agent whose first run keeps its process busy for longer than its lease. */
const blocking = `
import { existsSync, writeFileSync } from 'node:fs';
const began = process.env.FOLDER + '/began';
export default { agents: [{ name: 'blocker', async run() {
  if (existsSync(began)) return { kind: 'reply', text: 'the second' };
  writeFileSync(began, '');
  const until = Date.now() + 4_000;
  while (Date.now() < until) {}
  setTimeout(() => writeFileSync(began + '-and-went-on', ''), 500);
  return { kind: 'reply', text: 'the first' };
} }] };
`;

function journeys(store: () => Setting): void {
  test('a message is answered by the model, the next one knows of it, and both say what they used', () =>
    withWorld(store(), async ({ post, get, roles }) => {
      llm.script({ text: 'Hello Ada.' }, { text: 'You said hello.', usage: { input: 200, output: 30 } });
      const first = await post('hello, I am Ada');
      expect(first.outcome).toBe('accepted');
      await eventually(() => expect(texts()).toEqual(['Hello Ada.']));
      // Written once the vendor has confirmed the reply.
      await eventually(async () => expect(await get(`/events/${first.event}`)).toMatchObject({ state: 'done' }));
      const second = await post('what did I say?');
      await eventually(() => expect(texts()).toEqual(['Hello Ada.', 'You said hello.']));
      expect(llm.requests[1]?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
      expect(String(llm.requests[1]?.messages[1]?.content)).toContain('\nhello, I am Ada\n');
      await eventually(async () =>
        expect(await get(`/events/${second.event}`)).toMatchObject({
          state: 'done',
          runs: [
            {
              outcome: 'replied',
              agent: 'assistant',
              usage: { usdMicros: 260, inputTokens: 200, outputTokens: 30, modelCalls: 1, toolCalls: 0 },
            },
          ],
        }),
      );
      const worker = roles.at(-1)?.url ?? '';
      const metrics = await fetch(`${worker}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
      expect(await metrics.text()).toMatch(/sallyport_runs_total\{agent="assistant",outcome="replied"\} 2/);
      expect(await get('/ready')).toMatchObject({ checks: { model: { status: 'ok' } } });
    }));

  test('a model of OpenAI that takes no max_tokens answers, and the budget holds what it was told', () =>
    withWorld(
      { ...store(), environment: { ...store().environment, LLM_MODEL: 'gpt-5-mini' } },
      async ({ post, get }) => {
        const refused = { error: { message: 'no', type: 'invalid_request_error', code: 'unsupported_parameter' } };
        answer = (request) =>
          Reflect.has(request, 'max_tokens') || Reflect.has(request, 'temperature')
            ? { status: 400, body: JSON.stringify(refused) }
            : { text: 'Thought about it.' };
        const { event } = await post('think');
        await eventually(async () => expect((await get(`/events/${event}`)).state).not.toMatch(/queued|running/));
        expect(await get(`/events/${event}`)).toMatchObject({ state: 'done', runs: [{ usage: { modelCalls: 1 } }] });
        expect(texts()).toEqual(['Thought about it.']);
        expect(llm.requests.map((request) => request.max_completion_tokens)).toEqual([4096]);
      },
    ));

  test('a worker killed in the middle of a run leaves one that goes on without asking the model again', () =>
    withWorld({ ...store(), file: slowTool }, async ({ post, roles, folder }) => {
      llm.script({ calls: [{ name: 'look', arguments: {} }] }, { text: 'I have seen it.' });
      await post('look');
      const { readFile } = await import('node:fs/promises');
      await eventually(async () => expect(await readFile(join(folder, 'ran'), 'utf8')).toBe('x'));
      await roles.at(-1)?.restart();
      await eventually(() => expect(texts()).toEqual(['I have seen it.']));
      expect(await readFile(join(folder, 'ran'), 'utf8')).toBe('xx');
      expect(llm.requests).toHaveLength(2);
    }));
}

describe('with the embedded store', () => journeys(() => ({})));

describeRedis('with Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());
  const setting = (): Setting => ({ environment: { SALLYPORT_REDIS_URL: redis.url }, roles: ['ingress', 'worker'] });

  journeys(setting);

  test('an agent that blocks its process loses its lease and may not reply', () =>
    withWorld({ ...setting(), roles: ['ingress', 'worker', 'worker'], file: blocking }, async ({ post, folder }) => {
      const { access } = await import('node:fs/promises');
      await post('hello');
      await eventually(() => access(join(folder, 'began')));
      await eventually(() => expect(texts()).toEqual(['the second']));
      await eventually(() => access(join(folder, 'began-and-went-on')));
      expect(texts()).toEqual(['the second']);
    }));
});

test('the kill switch ends an agent that never comes back', () =>
  withWorld(
    { file: 'export default { agents: [{ name: "stuck", run: () => new Promise(() => {}) }] };' },
    async ({ post, get, api }) => {
      const { event } = await post('hello');
      await eventually(async () => expect(await get(`/events/${event}`)).toMatchObject({ state: 'running' }));
      expect(await api('/budgets/kill', { on: true })).toBe(200);
      await eventually(async () =>
        expect(await get(`/events/${event}`)).toMatchObject({ state: 'parked', failure: { code: 'ERR_KILLED' } }),
      );
    },
  ));

test('what no agent answers is ignored before it is claimed, so its twin that one answers is not taken for seen', () =>
  withWorld(
    {
      file: `export default { agents: [
        { name: 'mentions', match: ({ mentioned }) => mentioned, run: async () => ({ kind: 'reply', text: 'you called?' }) },
      ] };`,
    },
    async ({ post, get }) => {
      const one = { channel: 'C0SALLYPORT', ts: `${Math.floor(Date.now() / 1000)}.000100` };
      expect(await post('hello', one)).toMatchObject({ outcome: 'ignored' });
      const twin = await post('hello', { ...one, asMention: true });
      expect(twin.outcome).toBe('accepted');
      await eventually(() => expect(texts()).toEqual(['you called?']));
      await eventually(async () =>
        expect(await get(`/events/${twin.event}`)).toMatchObject({ state: 'done', runs: [{ agent: 'mentions' }] }),
      );
    },
  ));
