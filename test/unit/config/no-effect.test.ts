import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { defineAgent } from '../../../src/index.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};
const model = { LLM_BASE_URL: 'http://127.0.0.1:11434/v1', LLM_MODEL: 'm' };
const http = { SALLYPORT_AGENT_URL: 'https://agent.example/', SALLYPORT_AGENT_SECRET: 'a-secret-of-sixteen-bytes' };

function withoutEffect(environment: Record<string, string>, file?: unknown, defaults = {}): string[] {
  const loaded = loadConfig(file, { ...sound, ...environment }, 'all', defaults);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return [...loaded.withoutEffect];
}

test('nothing is reported of settings that do what they say', () => {
  expect(withoutEffect({})).toEqual([]);
  expect(
    withoutEffect({
      ...model,
      LLM_API_KEY: 'k',
      SALLYPORT_BUDGET_RUN_CALLS: '3',
      LLM_PRICE_INPUT: '1',
      LLM_PRICE_OUTPUT: '1',
    }),
  ).toEqual([]);
  expect(withoutEffect({ ...http, SALLYPORT_AGENT: 'http', SALLYPORT_AGENT_TIMEOUT: '5s' })).toEqual([]);
});

test.each([
  [
    'a channel that is not configured',
    { GRAPH_BASE_URL: 'http://127.0.0.1:1/', GMAIL_TOPIC: 'projects/p/topics/t', TEAMS_TENANT_ID: 'x' },
  ],
  [
    'windows of such a channel',
    { SALLYPORT_WINDOW_GRAPH: '5h', SALLYPORT_WINDOW_TEAMS: '5h', SALLYPORT_WINDOW_GMAIL: '8d' },
  ],
  [
    'Redis, with the embedded store',
    {
      SALLYPORT_REDIS_SHARDS: '2',
      SALLYPORT_MIN_REPLICAS: '1',
      SALLYPORT_REDIS_PREFIX: 'x',
      SALLYPORT_ALLOW_UNSAFE_REDIS: '1',
    },
  ],
  ['tokens that nothing verifies', { SALLYPORT_JWT_ISSUER: 'https://issuer.example' }],
  ['checkpoints that go nowhere', { SALLYPORT_AUDIT_EVERY: '1m' }],
  ['a program that is not asked', http],
  ['a model that is not asked', { ...model, LLM_API_KEY: 'k', SALLYPORT_AGENT: 'echo' }],
  ['the API key of no model', { LLM_API_KEY: 'k' }],
  [
    'what costs something, where only echo answers',
    { SALLYPORT_BUDGET_RUN_CALLS: '3', SALLYPORT_BUDGET_USD_DAY: '3', LLM_PRICE_INPUT: '1', LLM_PRICE_OUTPUT: '1' },
  ],
  ['reviews that nobody asks for', { SALLYPORT_REVIEW_EXPIRES: '2h' }],
])('is reported by name: %s', (_, environment: Record<string, string>) => {
  const given = Object.keys(environment).filter((name) => name !== 'SALLYPORT_AGENT');
  expect(withoutEffect(environment).sort()).toEqual(given.sort());
});

test('the credentials of other Google software are not', () => {
  expect(withoutEffect({ GOOGLE_APPLICATION_CREDENTIALS: '/key.json' })).toEqual([]);
});

test('what a command made up is not reported, and switches on what the environment refines', () => {
  expect(withoutEffect({}, undefined, { SALLYPORT_REDIS_SHARDS: '2' })).toEqual([]);
  expect(withoutEffect({ TEAMS_TENANT_ID: 'x' }, undefined, { TEAMS_APP_ID: 'app' })).toEqual([]);
});

describe('of a file, the place is named', () => {
  const run = async () => ({ kind: 'silent' as const });
  const seesInput = { name: 'input', stages: ['input' as const], check: () => ({ kind: 'pass' as const }) };
  const seesOutput = { ...seesInput, name: 'output', stages: ['output' as const] };

  test('for agents that never ask a model', () => {
    const agents = [
      defineAgent({ name: 'own', run, guardrails: [seesInput] }),
      defineAgent({ name: 'other', run, guardrails: [seesInput, seesOutput] }),
    ];
    const agent = { maxSteps: 3, memory: { turns: 3 }, tools: [] };
    expect(withoutEffect({}, { agents, agent, guardrails: { promptLeak: 10, linkHosts: ['a.example'] } })).toEqual([
      'agent.maxSteps',
      'agent.memory',
      'guardrails.promptLeak',
      'agents.0.guardrails',
    ]);
  });

  test('for tools that no agent has', () => {
    const agents = [{ name: 'own', instructions: 'Help.', tools: ['fetch_url'], fetchUrl: { hosts: ['a.example'] } }];
    const tools = { fetchUrl: { hosts: ['b.example'] }, workspace: { files: 3 } };
    expect(withoutEffect(model, { agents, tools })).toEqual(['tools.fetchUrl', 'tools.workspace']);
    const { fetchUrl: _, ...shared } = { ...agents[0], tools: ['fetch_url', 'workspace_write'] };
    expect(withoutEffect(model, { agents: [shared], tools })).toEqual([]);
  });

  test('for each tenant', () => {
    const slack = { signingSecrets: [sound.SLACK_SIGNING_SECRET] };
    const teams = { outgoingSecrets: [KEY], serviceHosts: ['a.example'], activityTypes: ['messageReaction'] };
    const graph = { tenantId: 'contoso.example', authorityUrl: 'http://127.0.0.1:1/' };
    const tenants = { acme: { slack, teams, graph, tools: ['reply'], budget: { user: { tokens: { day: 5 } } } } };
    expect(withoutEffect({}, { tenants, keeper: { every: '2m' } }).sort()).toEqual([
      'tenants.acme.budget.user.tokens',
      'tenants.acme.graph.authorityUrl',
      'tenants.acme.teams.activityTypes',
      'tenants.acme.teams.serviceHosts',
      'tenants.acme.tools',
    ]);
  });
});
