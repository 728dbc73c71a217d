import { describe, expect, test } from 'vitest';
import { relevanceOf } from '../../../src/app/policies.ts';
import { channelModules } from '../../../src/channels/registry.ts';
import { defineConfig } from '../../../src/config/define.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { boltAgent } from '../../../src/workers/agents/bolt/define.ts';
import { httpEndpoints } from '../../../src/workers/agents/http/settings.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const base = { SALLYPORT_SEAL_KEY: key, SALLYPORT_ID_KEY: key, SLACK_SIGNING_SECRET: 'a-secret-of-sixteen-bytes' };
const given = {
  ...base,
  SALLYPORT_AGENT: 'http',
  SALLYPORT_AGENT_URL: 'https://agent.example/events',
  SALLYPORT_AGENT_SECRET: `whsec_${Buffer.alloc(24, 2).toString('base64')}`,
};

function load(environment: Record<string, string>, file: unknown = {}): Config['agent']['http'] {
  const loaded = loadConfig(file, environment, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config.agent.http;
}
const problemsOf = (environment: Record<string, string>): readonly string[] => {
  const loaded = loadConfig({}, environment, 'all');
  return loaded.ok ? [] : loaded.problems;
};

describe('the agent http', () => {
  test('needs an address and a secret, and has defaults for the rest', () => {
    expect(load(given)).toEqual({
      url: 'https://agent.example/events',
      secrets: [new Uint8Array(24).fill(2)],
      timeout: 60_000,
      callbackTimeout: 600_000,
      reserve: { usdMicros: 50_000, inputTokens: 100_000, outputTokens: 20_000, modelCalls: 4, toolCalls: 20 },
    });
    expect(problemsOf({ ...base, SALLYPORT_AGENT: 'http' })).toEqual([
      'SALLYPORT_AGENT_URL: is required for the agent http',
      'SALLYPORT_AGENT_SECRET: is required for the agent http',
    ]);
  });

  test('takes secrets with and without whsec_, and several during rotation', () => {
    const secrets = `${given.SALLYPORT_AGENT_SECRET},counted as it is written ä`;
    expect(load({ ...given, SALLYPORT_AGENT_SECRET: secrets }).secrets).toEqual([
      new Uint8Array(24).fill(2),
      new TextEncoder().encode('counted as it is written ä'),
    ]);
  });

  test.each([
    ['empty', ''],
    ['too short', 'fifteen-bytes-!'],
    ['base64 that is too short', `whsec_${Buffer.alloc(15).toString('base64')}`],
    ['no base64 after whsec_', 'whsec_this is no base64 at all, is it?'],
    ['one of two that is too short', `${given.SALLYPORT_AGENT_SECRET},short`],
  ])('refuses a secret that is %s, and does not quote it', (_, secret) => {
    const problems = problemsOf({ ...given, SALLYPORT_AGENT_SECRET: secret });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.every((problem) => problem.startsWith('SALLYPORT_AGENT_SECRET: '))).toBe(true);
    if (secret !== '') expect(problems.join()).not.toContain(secret);
  });

  test('takes times and amounts, and refuses what is no amount', () => {
    const settings = {
      SALLYPORT_AGENT_TIMEOUT: '5s',
      SALLYPORT_AGENT_CALLBACK_TIMEOUT: '12h',
      SALLYPORT_AGENT_RESERVE_USD: '0',
      SALLYPORT_AGENT_RESERVE_CALLS: '0',
    };
    expect(load({ ...given, ...settings })).toMatchObject({
      timeout: 5_000,
      callbackTimeout: 43_200_000,
      reserve: { usdMicros: 0, modelCalls: 0 },
    });
    for (const [name, value] of [
      ['SALLYPORT_AGENT_RESERVE_USD', 'unlimited'],
      ['SALLYPORT_AGENT_RESERVE_USD', '-1'],
      ['SALLYPORT_AGENT_RESERVE_CALLS', '1.5'],
      ['SALLYPORT_AGENT_TIMEOUT', '1h'],
      ['SALLYPORT_AGENT_CALLBACK_TIMEOUT', '13h'],
      ['SALLYPORT_AGENT_URL', 'http://agent.example/events'],
      ['SALLYPORT_AGENT_URL', 'https://user:secret@agent.example/'],
    ] as const) {
      const [problem, ...more] = problemsOf({ ...given, [name]: value });
      expect(problem, value).toMatch(`${name}: `);
      expect(more).toEqual([]);
    }
  });

  test('of a file may say all of it', () => {
    const http = {
      url: 'http://127.0.0.1:4000/',
      secrets: ['a-secret-of-sixteen-bytes'],
      reserve: { usd: 0.5, inputTokens: 10, outputTokens: 20, modelCalls: 1, toolCalls: 0 },
    };
    expect(load(base, { agent: { kind: 'http', http } }).reserve).toEqual({
      usdMicros: 500_000,
      inputTokens: 10,
      outputTokens: 20,
      modelCalls: 1,
      toolCalls: 0,
    });
  });
});

describe('programs that a file lists', () => {
  const http = { url: 'https://one.example/', secrets: 'a-secret-of-sixteen-bytes' };
  const loadAgents = (agents: readonly unknown[]) => loadConfig({ agents }, base, 'all');
  const problems = (agent: unknown): readonly string[] => {
    const loaded = loadAgents([agent]);
    return loaded.ok ? [] : loaded.problems;
  };

  test('each have an address, secrets, times and a reservation of their own, and ask for no model', () => {
    const other = {
      url: 'https://two.example/',
      secrets: ['another-secret-of-bytes'],
      timeout: '5s',
      reserve: { usd: 1 },
    };
    const loaded = loadAgents([
      { name: 'one', http },
      { name: 'two', http: other, budget: { seconds: 30 }, review: true },
    ]);
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    expect(httpEndpoints(loaded.config)).toMatchObject([
      { name: 'one', http: { url: http.url, timeout: 60_000, reserve: { usdMicros: 50_000 } } },
      { name: 'two', http: { url: other.url, timeout: 5_000, reserve: { usdMicros: 1_000_000 } } },
    ]);
    expect(relevanceOf(loaded.config, channelModules)).toBeUndefined();
  });

  test('stand beside the one of the environment', () => {
    const loaded = loadConfig({ agents: [{ name: 'one', http }] }, given, 'all');
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    expect(httpEndpoints(loaded.config).map(({ name }) => name)).toEqual(['one', 'http']);
  });

  test.each<[string, unknown]>([
    ['no secret', { name: 'one', http: { url: http.url } }],
    ['no address', { name: 'one', http: { secrets: http.secrets } }],
    ['plain http to another machine', { name: 'one', http: { ...http, url: 'http://agent.example/' } }],
    ['instructions as well', { name: 'one', http, instructions: 'You help.' }],
    ['a channel that does not exist', { name: 'one', http, match: { channels: ['fax'] } }],
    ['no channel at all', { name: 'one', http, match: { channels: [] } }],
    ['a condition that does not exist', { name: 'one', http, match: { author: 'me' } }],
    ['the name of the built-in one', { name: 'http', http }],
  ])('are refused with %s', (_, agent) => {
    expect(problems(agent)).toHaveLength(1);
    expect(problems(agent).join()).not.toContain(http.secrets);
  });
});

test('agents of a file are told what they need, a Bolt app among them', () => {
  const bolt = boltAgent({ app: () => Promise.reject(new Error('only workers load it')) });
  const { agents: typed = [] } = defineConfig({ agents: [bolt] });
  const problems = (agents: readonly unknown[]): readonly string[] => {
    const loaded = loadConfig({ agents }, base, 'all');
    return loaded.ok ? [] : loaded.problems;
  };
  expect(problems(typed)).toEqual([]);
  expect(problems([{ ...bolt, run: async () => {} }])).toHaveLength(1);
  expect(problems([{ ...bolt, trusted: 'yes' }]).length).toBeGreaterThan(0);
});
