import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModels } from '../../../../src/app/model.node.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createClients } from '../../../../src/net/clients.ts';
import {
  type LlmAnswer,
  type LlmRequest,
  type LlmServer,
  startLlmServer,
} from '../../../../src/testing/agents/llm-server.ts';
import type { ModelCall } from '../../../../src/workers/budget/budget.ts';
import { testFolder } from '../../../support/folder.ts';
import { openToolRun, type ToolRun } from '../../../support/tool-run.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};

/** How servers answer a name that they do not know: OpenAI, and Azure's older versions of the API. */
const unsupported = (param: string): LlmAnswer => ({
  status: 400,
  body: JSON.stringify({
    error: { message: `Unsupported parameter: '${param}'.`, param, code: 'unsupported_parameter' },
  }),
});
const unrecognized = (param: string): LlmAnswer => ({
  status: 400,
  body: JSON.stringify({
    error: { message: `Unrecognized request argument supplied: ${param}`, param: null, code: null },
  }),
});

/** The server refuses what a model with reasoning does not take. */
const reasoning = (): LlmAnswer => ({ text: 'thought' });
/** A server that knows the older name only. */
const older =
  (refuse = unsupported) =>
  (request: LlmRequest): LlmAnswer =>
    Reflect.has(request, 'max_completion_tokens') ? refuse('max_completion_tokens') : { text: 'said' };

let run: ToolRun;
let llm: LlmServer;
let answer: (request: LlmRequest) => LlmAnswer;
let isReasoning: (model: string) => boolean;
beforeEach(async () => {
  run = await openToolRun(await testFolder());
  isReasoning = () => false;
  llm = await startLlmServer({ answer: (request) => answer(request), isReasoning: (model) => isReasoning(model) });
});
afterEach(() => Promise.all([run.close(), llm.stop()]));

const ask = async (model: string, environment: Record<string, string> = {}) => (await open(model, environment))();

/** Opens the model as a worker does. What is reserved for each question is noted. */
async function open(model: string, environment: Record<string, string> = {}) {
  const settings = { ...sound, LLM_BASE_URL: llm.url, LLM_MODEL: model, ...environment };
  const loaded = loadConfig(undefined, settings, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const { budget } = await run.attempt([]);
  const { signal } = new AbortController();
  const question = { system: 's', messages: [{ role: 'user', text: 'hi' }], tools: [], mayCall: true } as const;
  const askModel = openModels(loaded.config.agent, createClients())(undefined);
  return async () => {
    const reserved: ModelCall[] = [];
    const watched = {
      ...budget.run,
      reserveCall: (call: ModelCall) => {
        reserved.push(call);
        return budget.run.reserveCall(call);
      },
    };
    const said = await askModel({ ...question, maxOutputTokens: 321, budget: watched, signal });
    return {
      text: said.text,
      reserved: reserved.map(({ maxOutputTokens }) => maxOutputTokens),
      sent: llm.requests.at(-1),
      usage: budget.run.usage,
    };
  };
}

describe('the limit of an answer', () => {
  test.each([
    ...['o1', 'o1-mini', 'o3', 'o3-mini', 'o3-pro', 'o4-mini', 'o4-mini-2025-04-16', 'ft:o4-mini-2025-04-16:acme::1'],
    ...['gpt-5', 'gpt-5-mini', 'gpt-5-nano-2025-08-07', 'gpt-5.1', 'gpt-5-chat-latest', 'gpt-6', 'gpt-10.2-mini'],
    ...['openai/gpt-5-mini', 'openai/o3', 'openrouter/openai/o4-mini:online', 'azure/gpt-5', 'OpenAI/GPT-5'],
  ])('is named as models with reasoning want it: %s', async (model) => {
    answer = reasoning;
    isReasoning = () => true;
    const { text, reserved, sent } = await ask(model);
    expect(text).toBe('thought');
    expect(llm.requests).toHaveLength(1);
    expect(sent).toMatchObject({ model, max_completion_tokens: 321 });
    // What the budget reserved is what the vendor was told.
    expect(reserved).toEqual([321]);
  });

  test.each([
    ...[
      'gpt-4.1-mini',
      'gpt-4o',
      'gpt-4o-mini',
      'gpt-3.5-turbo',
      'openai/gpt-4.1',
      'gpt-oss-120b',
      'openai/gpt-oss-20b',
    ],
    ...[
      'llama3.1:8b',
      'mistral-large-latest',
      'claude-sonnet-4-5',
      'anthropic/claude-opus-4',
      'qwen3',
      'local',
      'gpt-50x',
    ],
    ...['ollama/o1like', 'deepseek-r1', 'olmo-2', 'o100', 'my-gpt-5', 'open-mixtral-8x7b', 'gemini-2.5-pro'],
  ])('is named as every other server knows it: %s', async (model) => {
    answer = older();
    const { text, reserved, sent } = await ask(model);
    expect(text).toBe('said');
    expect(llm.requests).toHaveLength(1);
    expect(sent).toMatchObject({ model, max_tokens: 321 });
    expect(reserved).toEqual([321]);
  });

  test('is named as LLM_MAX_TOKENS_FIELD says, whatever the model is called', async () => {
    answer = reasoning;
    isReasoning = (model) => model === 'my-deployment';
    expect((await ask('my-deployment', { LLM_MAX_TOKENS_FIELD: 'max_completion_tokens' })).text).toBe('thought');
    answer = older();
    expect((await ask('gpt-5-mini', { LLM_MAX_TOKENS_FIELD: 'max_tokens' })).text).toBe('said');
    expect((await ask('local', { LLM_MAX_TOKENS_FIELD: 'auto' })).text).toBe('said');
  });

  test('is learnt from the refusal of an endpoint whose names say nothing, and paid for once', async () => {
    answer = reasoning;
    isReasoning = () => true;
    const askAgain = await open('my-deployment');
    const first = await askAgain();
    expect(first).toMatchObject({ text: 'thought', reserved: [321], sent: { max_completion_tokens: 321 } });
    expect(first.usage).toMatchObject({ modelCalls: 1, inputTokens: 100, outputTokens: 20 });
    expect(llm.requests.map(({ max_tokens }) => max_tokens)).toEqual([321, undefined]);
    expect((await askAgain()).usage).toMatchObject({ modelCalls: 2, inputTokens: 200, outputTokens: 40 });
    expect(llm.requests).toHaveLength(3);
  });

  test.each([
    ['OpenAI', unsupported],
    ['an older version of the API at Azure', unrecognized],
  ])('is learnt from the refusal of the newer name, as %s words it', async (_, refuse) => {
    answer = older(refuse);
    expect(await ask('gpt-5-mini')).toMatchObject({ text: 'said', sent: { max_tokens: 321 } });
    expect(llm.requests).toHaveLength(2);
  });

  test('is not tried under another name for a refusal of something else, or when the name was set', async () => {
    answer = () => ({
      status: 400,
      body: JSON.stringify({
        error: { message: 'max_tokens is too large: 321.', param: 'max_tokens', code: 'invalid_value' },
      }),
    });
    await expect(ask('local')).rejects.toMatchObject({ code: 'ERR_MODEL_REJECTED' });
    isReasoning = () => true;
    await expect(ask('d', { LLM_MAX_TOKENS_FIELD: 'max_tokens' })).rejects.toMatchObject({
      code: 'ERR_MODEL_REJECTED',
    });
    expect(llm.requests).toHaveLength(2);
  });

  test('is never sent under another name than was configured', () => {
    const loaded = loadConfig(
      undefined,
      { ...sound, LLM_BASE_URL: llm.url, LLM_MODEL: 'm', LLM_MAX_TOKENS_FIELD: 'c4n4ry' },
      'all',
    );
    expect(loaded).toEqual({
      ok: false,
      problems: ['LLM_MAX_TOKENS_FIELD: must be one of auto, max_tokens, max_completion_tokens'],
    });
  });
});

describe('the local endpoint', () => {
  test.each(['gpt-5-mini', 'o4-mini', 'openai/gpt-5.1'])('refuses what OpenAI refuses for %s', async (model) => {
    const server = await startLlmServer();
    const post = async (parameters: object) => {
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], ...parameters });
      const response = await fetch(`${server.url}/chat/completions`, { method: 'POST', body });
      return { status: response.status, ...((await response.json()) as { error?: object }) };
    };
    const error = { type: 'invalid_request_error', param: 'max_tokens', code: 'unsupported_parameter' };
    expect(await post({ max_tokens: 5 })).toMatchObject({ status: 400, error });
    const value = { type: 'invalid_request_error', param: 'temperature', code: 'unsupported_value' };
    expect(await post({ temperature: 0.2 })).toMatchObject({ status: 400, error: value });
    expect(await post({ max_completion_tokens: 5, temperature: 1 })).toMatchObject({ status: 200 });
    await server.stop();
  });
});
