import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { BudgetLimits } from '../../src/core/budget.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { createClients } from '../../src/net/clients.ts';
import type { AccountLimit } from '../../src/queue/ledger.ts';
import type { Store } from '../../src/queue/store.ts';
import { type LlmAnswer, type LlmServer, startLlmServer } from '../../src/testing/agents/llm-server.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { openModels } from '../../src/workers/agents/assistant/ask-model.ts';
import { type AssistantOptions, type AssistantWorld, openAssistant } from '../support/assistant.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores, type TestStores } from '../support/redis-store.ts';

/** Micro-dollars. A call reserves some 2,800 of them: 500 tokens of output at 2, and a token of input a byte at 1. */
const CAP = 8_000;
const limits: BudgetLimits = { tenant: { usdMicros: { day: CAP }, tokens: { day: 'unlimited' } } };
const money = { scope: 'tenant', account: 'default', resource: 'usdMicros', window: 'day', max: CAP } as const;
const tokens = { ...money, resource: 'tokens', max: 'unlimited' } as const;

/** Refused or never sent: what an outage of the model looks like. */
const FREE: [string, LlmAnswer][] = [
  ['503', { status: 503 }],
  ['503 without a body', { status: 503, body: '' }],
  ['500', { status: 500 }],
  ['429', { status: 429 }],
  ['401', { status: 401 }],
];
/** The vendor has the request, and nobody knows what became of it. */
const CHARGED: [string, LlmAnswer][] = [
  ['a connection that is cut before an answer', { fault: 'drop' }],
  ['no answer in time', { fault: 'hang' }],
  ['a 200 whose body ends early', { fault: 'cut' }],
  ['a 503 whose body ends early', { fault: 'cut', status: 503 }],
  ['a 200 that is not JSON', { body: '{"choices":[{"mess' }],
  ['a 200 without usage', { text: 'hello', usage: null }],
];

function outages(openStore: () => Promise<Store | undefined>): void {
  let world: AssistantWorld;
  let again: LlmServer | undefined;
  afterEach(async () => {
    await world.stop();
    await again?.stop();
    again = undefined;
  });

  async function open(options: AssistantOptions = {}): Promise<void> {
    const store = await openStore();
    const gate = { budget: { limits }, ...(store === undefined ? {} : { store }), ...options.gate };
    world = await openAssistant({ timeoutMs: 400, ...options, gate });
  }
  const use = async (limit: AccountLimit): Promise<{ spent: number; reserved: number }> => {
    const [{ spent, reserved } = { spent: Number.NaN, reserved: Number.NaN }] = await world.gate.store.ledger.usage([
      limit,
    ]);
    return { spent, reserved };
  };
  const nothing = { spent: 0, reserved: 0 };

  let messages = 0;
  /** A message of a conversation of its own. */
  function write(attempts = 1): Promise<EventRecord> {
    messages += 1;
    return world.write(`message ${messages}`, { channel: `D${String(messages).padStart(7, '0')}`, attempts });
  }

  /** More calls than the limit has room for, if each were charged. */
  async function failMany(code: string): Promise<void> {
    for (let n = 0; n < 5; n += 1) {
      const { runs } = await write(2);
      expect(runs.map((run) => run.code)).toEqual(runs.map(() => code));
      expect(runs.at(-1)?.usage).toEqual({
        usdMicros: 0,
        inputTokens: 0,
        outputTokens: 0,
        modelCalls: 1,
        toolCalls: 0,
      });
    }
    expect([await use(money), await use(tokens)]).toEqual([nothing, nothing]);
  }

  test('connections that are refused cost nothing, and the next healthy event is answered', async () => {
    await open();
    const { port } = new URL(world.llm.url);
    await world.llm.stop();
    await failMany('ERR_MODEL_UNAVAILABLE');
    again = await startLlmServer({ port: Number(port), answer: () => ({ text: 'back again' }) });
    expect(await write()).toMatchObject({ state: 'done', runs: [{ outcome: 'replied' }] });
    expect(world.told).toEqual(['back again']);
    expect(await use(money)).toEqual({ spent: 140, reserved: 0 });
  });

  test.each(FREE)('complete answers %s cost nothing, and the next healthy event is answered', async (_, answer) => {
    let isDown = true;
    await open({ answer: () => (isDown ? answer : { text: 'back again' }) });
    await failMany(answer.status === 401 ? 'ERR_MODEL_REJECTED' : 'ERR_MODEL_UNAVAILABLE');
    isDown = false;
    expect(await write()).toMatchObject({ state: 'done', runs: [{ outcome: 'replied' }] });
    expect(await use(money)).toEqual({ spent: 140, reserved: 0 });
  });

  test.each(CHARGED)('%s costs the worst case', async (_, answer) => {
    await open({ answer: () => answer });
    const { runs } = await write();
    const usage = runs[0]?.usage;
    expect(usage).toMatchObject({ modelCalls: 1, outputTokens: 500 });
    expect(usage?.usdMicros).toBeGreaterThan(1_000 + 1_024);
    expect(await use(money)).toEqual({ spent: usage?.usdMicros, reserved: 0 });
    // Two fit into the limit. A third is asked for what is left of it, and the model does not see a fourth.
    await write();
    await write();
    const asked = world.llm.requests.map((one) => one.max_tokens ?? one.max_completion_tokens);
    expect(asked).toEqual([500, 500, expect.any(Number)]);
    expect(asked[2]).toBeLessThan(500);
    expect((await write()).failure).toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect(world.llm.requests).toHaveLength(3);
    expect((await use(money)).spent).toBeLessThanOrEqual(CAP);
  });

  test('a loop against a model that is down ends with the run’s limit of calls', async () => {
    const calls: BudgetLimits = { ...limits, run: { modelCalls: { run: 3 } } };
    const run: Agent['run'] = async (_, { budget, signal }) => {
      const { url } = world.llm;
      const ask = openModels({ baseUrl: url, fetch: createClients().open('model', [url], { timeoutMs: 400 }).fetch })(
        'local',
      );
      const again = { role: 'user', text: 'again' } as const;
      const question = { system: '', messages: [again], tools: [], mayCall: true, maxOutputTokens: 10, budget, signal };
      for (;;) await ask(question).catch(() => {});
    };
    const agentOver = (): Agent => ({ name: 'looping', run });
    await open({ answer: () => ({ status: 503 }), gate: { budget: { limits: calls }, agentOver } });
    expect(await write()).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect(world.llm.requests).toHaveLength(3);
    expect(await use(money)).toEqual(nothing);
  });

  test('whatever goes wrong in whatever order, spent and reserved never exceed the limit', async () => {
    const kinds = [...FREE, ...CHARGED, ['a healthy answer', { text: 'hello' }] as [string, LlmAnswer]];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...kinds), { minLength: 6, maxLength: 12 }), async (plan) => {
        let next = 0;
        const seen: number[] = [];
        const observe = async (): Promise<void> => {
          const { spent, reserved } = await use(money);
          seen.push(spent + reserved);
        };
        await open({
          timeoutMs: 100,
          answer: async () => {
            await observe();
            const [, answer] = plan[next % plan.length] ?? ['', {}];
            next += 1;
            return answer;
          },
        });
        try {
          const records = await Promise.all(plan.map(() => write()));
          await observe();
          const booked = records.flatMap(({ runs }) => runs).reduce((sum, run) => sum + run.usage.usdMicros, 0);
          expect(Math.max(...seen)).toBeLessThanOrEqual(CAP);
          expect(await use(money)).toEqual({ spent: booked, reserved: 0 });
        } finally {
          await world.stop();
        }
      }),
      { numRuns: 8 },
    );
  });
}

describe('on the embedded store, while the model is down', () => {
  outages(async () => undefined);
});

describeRedis('on Redis, while the model is down', () => {
  let redis: RedisServer;
  let stores: TestStores;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(() => stores.close());
  afterAll(() => redis.stop());

  outages(() => {
    stores = createTestStores();
    return stores.open(redis.url);
  });
});
