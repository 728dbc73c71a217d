import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LlmServer, startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { sallyportProcess } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { startRole } from '../support/role.ts';

const JWT_SECRET = 'sdk-models-journey-secret-of-32-bytes-or-more';
const PROVIDER = import.meta.resolve('@ai-sdk/openai-compatible');

const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: PATIENCE_MS, interval: 50 });

let slack: SlackServer;
let llm: LlmServer;
beforeEach(async () => {
  slack = await startSlackServer();
  llm = await startLlmServer({ apiKey: 'sk-own' });
});
afterEach(() => Promise.all([slack.stop(), llm.stop()]));

/** A configuration whose agent has a model that a package of the AI SDK made. `wrap` changes the model. */
const file = (more: object = {}, wrap = '(model) => model'): string => `
import { createOpenAICompatible } from ${JSON.stringify(PROVIDER)};
const acme = createOpenAICompatible({ name: 'acme-models', baseURL: process.env.OWN_URL, apiKey: 'sk-own' });
const wrap = ${wrap};
export default {
  agents: [{ name: 'helper', instructions: 'You help.', model: wrap(acme('big-one')) }],
  ...${JSON.stringify(more)},
};
`;
const prices = { prices: { models: { 'acme-models/big-one': { input: 10, output: 50 } } } };

async function settle(config: string) {
  const folder = await testFolder();
  await writeFile(join(folder, 'sallyport.config.js'), config);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const keys = freshKeys();
  const environment = {
    ...keys,
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SLACK_API_URL: slack.url,
    OWN_URL: llm.url,
  };
  return { folder, environment, signingSecret: keys.SLACK_SIGNING_SECRET };
}

/** Starts a gate, writes to it and gives what became of the event, and what was counted. */
async function ask(config: string, state: string) {
  const { folder, environment, signingSecret } = await settle(config);
  const role = await startRole({ role: 'all', environment, folder });
  try {
    const at = Date.now();
    const payload = slackJson(slackMessage({ text: 'hello', at, channel: 'D0000001' }));
    const signed = signSlackRequest(payload, { signingSecret, at });
    const posted = await fetch(`${role.url}/hooks/slack`, { ...signed, body: new Uint8Array(signed.body) });
    const id = posted.headers.get('x-sallyport-event');
    const bearer = await new SignJWT({ tenant: 'default', scope: 'events:read budgets:read' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ada')
      .setExpirationTime('10m')
      .sign(Buffer.from(JWT_SECRET));
    const get = async (path: string) => {
      const response = await fetch(role.url + path, { headers: { authorization: `Bearer ${bearer}` } });
      return (await response.json()) as Record<string, unknown>;
    };
    const event = await eventually(async () => {
      const found = await get(`/events/${id}`);
      expect(found.state).toBe(state);
      return found;
    });
    const { limits } = (await get('/budgets')) as { limits: { scope: string; resource: string }[] };
    const money = limits.find(({ scope, resource }) => scope === 'tenant' && resource === 'usdMicros');
    return { event, money };
  } finally {
    await role.kill();
  }
}

describe('an agent whose model a package of the AI SDK made', () => {
  test('answers without an endpoint of ours, within the budget, at the price that was set', async () => {
    llm.script({ text: 'Good morning!', usage: { input: 100, output: 20 } });
    const { event, money } = await ask(file(prices), 'done');
    expect(slack.posts.map(({ text }) => text)).toEqual(['Good morning!']);
    const usage = { usdMicros: 2_000, inputTokens: 100, outputTokens: 20, modelCalls: 1, toolCalls: 0 };
    expect(event).toMatchObject({ runs: [{ agent: 'helper', usage }] });
    expect(money).toMatchObject({ spent: 2_000, reserved: 0 });
    expect(llm.requests).toMatchObject([{ model: 'big-one', max_tokens: 4_096 }]);
  });

  test('gets an answer as long as the budget can pay', async () => {
    llm.script({ text: 'Short.', usage: { input: 100, output: 20 } });
    await ask(file({ ...prices, tenants: { default: { budget: { tenant: { usd: { day: 0.05 } } } } } }), 'done');
    expect(llm.requests[0]?.max_tokens).toBeLessThan(1_000);
  });

  test('is not charged for what was not served, and is asked again', async () => {
    llm.script({ status: 503 }, { status: 429 }, { text: 'There.', usage: { input: 100, output: 20 } });
    const { event, money } = await ask(file(prices), 'done');
    expect(event).toMatchObject({ attempts: 3, runs: [{ code: 'ERR_MODEL_UNAVAILABLE' }, {}, { outcome: 'replied' }] });
    expect(money).toMatchObject({ spent: 2_000, reserved: 0 });
  });

  test('takes models of the older interface', async () => {
    const older = `(model) => ({
      specificationVersion: 'v2', provider: model.provider, modelId: model.modelId, supportedUrls: {},
      async doGenerate(options) {
        const { usage, finishReason, ...result } = await model.doGenerate(options);
        const tokens = { inputTokens: usage.inputTokens.total, outputTokens: usage.outputTokens.total };
        return { ...result, finishReason: finishReason.unified, usage: { ...tokens, totalTokens: undefined } };
      },
      doStream() { throw new Error('not used'); },
    })`;
    llm.script({ text: 'Hello from before.', usage: { input: 100, output: 20 } });
    const { money } = await ask(file(prices, older), 'done');
    expect(slack.posts.map(({ text }) => text)).toEqual(['Hello from before.']);
    expect(money).toMatchObject({ spent: 2_000, reserved: 0 });
  });

  test('and whose price nobody knows ends the start, in one line that says what to set', async () => {
    for (const role of ['all', 'worker']) {
      const { folder, environment } = await settle(file());
      const { code, out, err } = await sallyportProcess([role], { folder, environment });
      expect([code, out]).toEqual([78, '']);
      expect(err).toBe(
        "agent helper: the price of its model big-one is unknown; set prices.models['big-one'] to { input, output } in US dollars per million tokens, 0 for a free one\n",
      );
    }
  });
});
