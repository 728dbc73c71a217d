import type { LanguageModel } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { fetchUrlTools } from '../../../src/app/agents.node.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { defineAgent, defineConfig, defineTool } from '../../../src/index.ts';
import { createClients } from '../../../src/net/clients.ts';
import { builtInOf } from '../../../src/workers/agents/settings.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};
const model = { LLM_BASE_URL: 'http://127.0.0.1:11434/v1', LLM_MODEL: 'llama3.1:8b' };

function load(environment: Record<string, string>, file?: unknown) {
  const loaded = loadConfig(file, { ...sound, ...environment }, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}
const problemsOf = (environment: Record<string, string>, file?: unknown) => {
  const loaded = loadConfig(file, { ...sound, ...environment }, 'all');
  return loaded.ok ? [] : loaded.problems;
};
const answers = (environment: Record<string, string>, file?: unknown) => {
  const { agent, agents } = load(environment, file);
  return builtInOf(agent, agents);
};
const support = { name: 'support', instructions: 'Help.' };

describe('what answers', () => {
  test('is echo without a model, the assistant with one, and what is named in any case', () => {
    expect(answers({})).toBe('echo');
    expect(answers(model)).toBe('assistant');
    expect(answers({ ...model, SALLYPORT_AGENT: 'echo' })).toBe('echo');
  });

  test('is nobody beside the agents of the file, unless a built-in is named', () => {
    expect(answers(model, { agents: [support] })).toBeNull();
    expect(answers({ ...model, SALLYPORT_AGENT: 'assistant' }, { agents: [support] })).toBe('assistant');
  });
});

describe('a model of the AI SDK', () => {
  const sdkModel = new MockLanguageModelV3({ provider: 'acme.chat', modelId: 'big' });
  type Older = Extract<LanguageModel, { specificationVersion: 'v2' }>;
  const older: Older = {
    specificationVersion: 'v2',
    ...{ provider: 'acme.chat', modelId: 'big', supportedUrls: {} },
    doGenerate: () => Promise.reject(new Error('not used')),
    doStream: () => Promise.reject(new Error('not used')),
  };

  test('stands for an endpoint, in either form of its interface, and is kept as it is', () => {
    for (const given of [sdkModel, older]) {
      const agent = defineAgent({ name: 'support', instructions: 'Help.', model: given });
      expect(problemsOf({}, { agents: [agent] })).toEqual([]);
      expect(load({}, { agents: [agent] }).agents[0]?.model).toBe(given);
      expect(Object.isFrozen(given)).toBe(false);
    }
    const named = defineAgent({ name: 'other', instructions: 'Help.' });
    const one = defineAgent({ name: 'support', instructions: 'Help.', model: sdkModel });
    expect(problemsOf({}, { agents: [one, named] })).toEqual([
      'LLM_BASE_URL: is required for agents with instructions',
      'LLM_MODEL: is required for agents with instructions',
    ]);
  });

  test('is an error of the compiler and of the start when it is something else', () => {
    const other = { ...older, specificationVersion: 'v4' } as const;
    // @ts-expect-error: an interface of another version
    const newer = defineAgent({ name: 'support', instructions: 'Help.', model: other });
    // @ts-expect-error: no model
    const number = defineAgent({ name: 'support', instructions: 'Help.', model: 5 });
    for (const agent of [newer, number]) {
      expect(problemsOf({}, { agents: [agent] })).toContain(
        'agents.0.model: must be the name of a model, or a language model of the AI SDK (specification v2 or v3)',
      );
    }
  });
});

describe('a model', () => {
  test('is required by name for the assistant', () => {
    expect(problemsOf({ SALLYPORT_AGENT: 'assistant' })).toEqual([
      'LLM_BASE_URL: is required for the agent assistant',
      'LLM_MODEL: is required for the agent assistant',
    ]);
    expect(problemsOf({ LLM_BASE_URL: model.LLM_BASE_URL })).toEqual([
      'LLM_MODEL: is required for the agent assistant',
    ]);
    expect(problemsOf({ LLM_MODEL: model.LLM_MODEL })).toEqual(['LLM_BASE_URL: is required for the agent assistant']);
  });

  test('is required for agents with instructions, and not for code', () => {
    expect(problemsOf({}, { agents: [support] })).toHaveLength(2);
    expect(problemsOf({ LLM_BASE_URL: model.LLM_BASE_URL }, { agents: [{ ...support, model: 'm' }] })).toEqual([]);
    expect(problemsOf({}, { agents: [{ name: 'own', run: async () => ({ kind: 'silent' }) }] })).toEqual([]);
  });
});

describe('agents of the file', () => {
  test('are typed by defineAgent, their tools by defineTool', () => {
    const file = defineConfig({
      agents: [
        defineAgent({
          name: 'orders',
          match: ({ text, mentioned }) => mentioned && text.includes('order'),
          instructions: 'Help.',
          tools: [
            'fetch_url',
            defineTool({
              name: 'order_status',
              description: 'Where an order is.',
              input: z.strictObject({ order: z.string() }),
              effect: 'none',
              run: ({ order }) => ({ order, at: 'sea' }),
            }),
          ],
          budget: { usd: 0.05, calls: 6 },
          review: ({ text }) => text.includes('refund'),
        }),
        defineAgent({ name: 'greeter', run: async ({ event }) => ({ kind: 'reply', text: `Hi ${event.author.id}` }) }),
      ],
    });
    expect(load(model, file).agents.map(({ name }) => name)).toEqual(['orders', 'greeter']);
  });

  test('delegate only to agents that say what they are good for', () => {
    const agents = (description?: string) => [
      { ...support, delegates: ['researcher'] },
      { name: 'researcher', instructions: 'Research.', ...(description === undefined ? {} : { description }) },
    ];
    expect(problemsOf(model, { agents: agents('Looks into things.') })).toEqual([]);
    expect(problemsOf(model, { agents: agents() })).toHaveLength(1);
  });

  test('keep their functions and tools as they were written', () => {
    const match = () => true;
    const tool = { name: 'look', run: () => 1, memo: { looks: 0 } };
    const [agent] = load(model, { agents: [{ ...support, match, tools: ['fetch_url', tool] }] }).agents;
    expect(agent?.match).toBe(match);
    expect(agent?.tools).toEqual(['fetch_url', tool]);
    tool.memo.looks += 1;
    expect(tool.memo.looks).toBe(1);
  });

  test('say their budget in dollars, calls, tokens and seconds', () => {
    const budget = { usd: 0.1, calls: 3, toolCalls: 4, tokens: 'unlimited', seconds: '30' };
    expect(load(model, { agents: [{ ...support, budget }] }).agents[0]?.budget).toEqual({
      usdMicros: { run: 100_000 },
      modelCalls: { run: 3 },
      toolCalls: { run: 4 },
      tokens: { run: 'unlimited' },
      seconds: { run: 30 },
    });
  });

  test.each([
    ['a built-in’s name', [{ ...support, name: 'echo' }]],
    ['a name that is no label', [{ ...support, name: 'Two words' }]],
    ['one name for two', [support, support]],
    ['neither instructions nor code', [{ name: 'support' }]],
    ['both of them', [{ ...support, run: () => {} }]],
    ['a misspelt setting', [{ ...support, instruction: 'Help.' }]],
    ['a pattern instead of a function', [{ ...support, match: '.*' }]],
    ['a tool without code', [{ ...support, tools: [{ name: 'x' }] }]],
  ])('are refused with %s', (_, agents) => {
    expect(problemsOf(model, { agents })).toHaveLength(1);
  });

  test('may be allowed per tenant, if they exist', () => {
    const slack = { signingSecrets: [sound.SLACK_SIGNING_SECRET] };
    const tenants = (names: string[]) => ({ acme: { slack, agents: names, tools: ['fetch_url'] } });
    expect(load(model, { agents: [support], tenants: tenants(['support']) }).tenants.acme).toMatchObject({
      agents: ['support'],
      tools: ['fetch_url'],
    });
    expect(problemsOf(model, { agents: [support], tenants: tenants(['suport']) })).toEqual([
      'tenants.acme.agents: names an agent that does not exist: suport (there are echo, assistant, http, support)',
    ]);
  });
});

test('what `fetch_url` may ask is said for all agents, and for one that has its own', () => {
  const agents = [
    { ...support, fetchUrl: { hosts: ['shop.example'] } },
    { ...support, name: 'others' },
  ];
  const toldTo = (agent: string, tools: object) =>
    fetchUrlTools(load(model, { agents, tools }), createClients())(agent).description.split('Only of these hosts: ')[1];
  const everybody = { fetchUrl: { hosts: '*.docs.example' } };
  expect(toldTo('support', everybody)).toBe('shop.example.');
  expect(toldTo('others', everybody)).toBe('*.docs.example.');
  expect(toldTo('others', {})).toBeUndefined();
  expect(problemsOf({}, { tools: { fetchUrl: { hosts: ['https://shop.example/'] } } })).toHaveLength(1);
});

describe('settings that only a model would use', () => {
  const http = { url: 'https://agent.example/events', secrets: 'a-secret-of-sixteen-bytes' };
  const run = async () => ({ kind: 'silent' });
  const modelOnly = { tools: ['fetch_url'], delegates: ['other'], model: 'm', fetchUrl: { hosts: ['a.example'] } };
  const other = { name: 'other', description: 'Helps.', instructions: 'Help.' };

  test.each([
    ['run', { run }],
    ['http', { http }],
  ])('are refused for an agent with %s', (kind, one) => {
    for (const [setting, value] of Object.entries(modelOnly)) {
      expect(problemsOf(model, { agents: [{ name: 'own', ...one, [setting]: value }, other] })).toEqual([
        `agents.0.${setting}: has no effect for an agent with ${kind}; remove it, or use instructions`,
      ]);
    }
  });

  test('may be empty there, and are taken with instructions', () => {
    const empty = { tools: [], delegates: [] };
    expect(problemsOf({}, { agents: [{ name: 'own', run, ...empty }] })).toEqual([]);
    expect(problemsOf(model, { agents: [{ ...support, ...modelOnly }, other] })).toEqual([]);
  });
});
