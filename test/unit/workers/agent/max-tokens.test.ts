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

/** As OpenAI answers a parameter that a model does not take. */
const unsupported = (param: string): LlmAnswer => ({
  status: 400,
  body: JSON.stringify({
    error: {
      message: `Unsupported parameter: '${param}'.`,
      type: 'invalid_request_error',
      param,
      code: 'unsupported_parameter',
    },
  }),
});

/** A model with reasoning: it takes its limit under one name only, and no temperature. */
const reasoning = (request: LlmRequest): LlmAnswer => {
  for (const param of ['max_tokens', 'temperature', 'top_p'])
    if (Reflect.has(request, param)) return unsupported(param);
  return { text: 'thought' };
};
/** A server that knows the older name only. */
const older = (request: LlmRequest): LlmAnswer =>
  Reflect.has(request, 'max_completion_tokens') ? unsupported('max_completion_tokens') : { text: 'said' };

let run: ToolRun;
let llm: LlmServer;
let answer: (request: LlmRequest) => LlmAnswer;
beforeEach(async () => {
  run = await openToolRun(await testFolder());
  llm = await startLlmServer({ answer: (request) => answer(request) });
});
afterEach(() => Promise.all([run.close(), llm.stop()]));

/** Asks the model as a worker does. What was reserved for it is noted. */
async function ask(model: string, environment: Record<string, string> = {}) {
  const settings = { ...sound, LLM_BASE_URL: llm.url, LLM_MODEL: model, ...environment };
  const loaded = loadConfig(undefined, settings, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const reserved: ModelCall[] = [];
  const { budget } = await run.attempt([]);
  const watched = {
    ...budget.run,
    reserveCall: (call: ModelCall) => {
      reserved.push(call);
      return budget.run.reserveCall(call);
    },
  };
  const { signal } = new AbortController();
  const question = { system: 's', messages: [{ role: 'user', text: 'hi' }], tools: [], mayCall: true } as const;
  const said = await openModels(loaded.config.agent, createClients())(undefined)({
    ...question,
    ...{ maxOutputTokens: 321, budget: watched, signal },
  });
  return {
    text: said.text,
    reserved: reserved.map(({ maxOutputTokens }) => maxOutputTokens),
    sent: llm.requests.at(-1),
  };
}

describe('the limit of an answer', () => {
  test.each([
    ...['o1', 'o1-mini', 'o3', 'o3-mini', 'o3-pro', 'o4-mini', 'o4-mini-2025-04-16', 'ft:o4-mini-2025-04-16:acme::1'],
    ...['gpt-5', 'gpt-5-mini', 'gpt-5-nano-2025-08-07', 'gpt-5.1', 'gpt-5-chat-latest', 'gpt-6', 'gpt-10.2-mini'],
    ...['openai/gpt-5-mini', 'openai/o3', 'openrouter/openai/o4-mini:online', 'azure/gpt-5', 'OpenAI/GPT-5'],
  ])('is named as models with reasoning want it: %s', async (model) => {
    answer = reasoning;
    const { text, reserved, sent } = await ask(model);
    expect(text).toBe('thought');
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
    answer = older;
    const { text, reserved, sent } = await ask(model);
    expect(text).toBe('said');
    expect(sent).toMatchObject({ model, max_tokens: 321 });
    expect(reserved).toEqual([321]);
  });

  test('is named as LLM_MAX_TOKENS_FIELD says, whatever the model is called', async () => {
    answer = reasoning;
    expect((await ask('my-deployment', { LLM_MAX_TOKENS_FIELD: 'max_completion_tokens' })).text).toBe('thought');
    answer = older;
    expect((await ask('gpt-5-mini', { LLM_MAX_TOKENS_FIELD: 'max_tokens' })).text).toBe('said');
    expect((await ask('local', { LLM_MAX_TOKENS_FIELD: 'auto' })).text).toBe('said');
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
