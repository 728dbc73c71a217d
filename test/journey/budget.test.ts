import { generateText, stepCountIs, tool } from 'ai';
import { SignJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Replier } from '../../src/channels/channel.ts';
import type { BudgetLimits } from '../../src/core/budget.ts';
import { type EventRecord, noUsage } from '../../src/core/event.ts';
import type { Agent, AgentContext } from '../../src/workers/agent.ts';
import { echoAgent } from '../../src/workers/agents/echo.ts';
import { meteredModel } from '../../src/workers/budget/metered-model.ts';
import type { BudgetOptions } from '../support/budget.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { fakeModel } from '../support/fake-model.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../support/gate.ts';
import { message, postSlack } from '../support/slack.ts';

const DAY_MS = 86_400_000;

let gate: Gate;
let clock: FakeClock;
let told: string[];
afterEach(() => gate.stop());

const replier: Replier = {
  async send({ text }, { begin }) {
    await begin();
    told.push(text);
    return { kind: 'delivered' };
  },
  find: async () => 'absent',
};

async function open(run: Agent['run'], budget: BudgetOptions = {}, options: GateOptions = {}): Promise<void> {
  clock = createFakeClock();
  told = [];
  gate = await openGate({ agent: { name: 'test', run }, replier, clock: clock.now, budget, ...options });
}

/** Somebody writes, and a worker runs it. */
async function write(text: string, { user = 'U1', attempts = 1 } = {}): Promise<EventRecord> {
  const at = clock.now();
  const { eventId } = await postSlack(gate.app, message({ text, at, user, channel: `D${text}` }), { at });
  for (let n = 0; n < attempts; n += 1) await drain(eventId ?? '');
  return recordOf(eventId ?? '');
}
async function recordOf(id: string): Promise<EventRecord> {
  const record = await gate.store.events.get('default', id);
  if (record === null) throw new Error('expected a record');
  return record;
}
const drain = async (id: string): Promise<void> =>
  gate.drain({ tenant: 'default', key: (await recordOf(id)).event.conversation.key });

const reply = (text: string) => ({ kind: 'reply', text }) as const;

/** Asks its model again and again, whatever happens to a single call. */
const looping =
  (calls: { made: number }) =>
  async (_: unknown, { budget }: AgentContext): Promise<never> => {
    const model = meteredModel(
      fakeModel(() => {
        calls.made += 1;
        return { input: 100, output: 20 };
      }),
      budget,
    );
    for (;;) await generateText({ model, prompt: 'again', maxOutputTokens: 100, maxRetries: 0 }).catch(() => {});
  };

describe('an agent that loops', () => {
  // A call reserves 1,024 + its bytes + 100 tokens (1 and 2 micro-dollars each) and uses 120 tokens, 140 micro-dollars.
  test.each<[string, BudgetLimits, number]>([
    ['calls', { run: { modelCalls: { run: 7 } } }, 7],
    ['tokens', { run: { tokens: { run: 2_000 } } }, 20],
    ['micro-dollars', { run: { usdMicros: { run: 5_000 } } }, 40],
    ['micro-dollars of the tenant', { tenant: { usdMicros: { day: 5_000 } } }, 40],
    ['calls of its user', { user: { modelCalls: { hour: 3 } } }, 3],
    ['tokens of its conversation', { conversation: { tokens: { month: 2_000 } } }, 20],
    ['calls of its channel', { channel: { modelCalls: { day: 2 } } }, 2],
    ['calls of everybody', { global: { modelCalls: { day: 4 } } }, 4],
  ])('is stopped by its limit of %s', async (_, limits, most) => {
    const calls = { made: 0 };
    await open(looping(calls), { limits });
    const record = await write('go');
    expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect(calls.made).toBeGreaterThan(0);
    expect(calls.made).toBeLessThanOrEqual(most);
    const usage = { modelCalls: calls.made, inputTokens: 100 * calls.made, outputTokens: 20 * calls.made };
    expect(record.runs).toMatchObject([
      { code: 'ERR_BUDGET_EXHAUSTED', usage: { ...usage, usdMicros: 140 * calls.made } },
    ]);
  });

  test('over tools is stopped by its limit of tool calls', async () => {
    let ran = 0;
    const agent: Agent['run'] = async (_, { budget }) => {
      const model = fakeModel(() => ({ input: 100, output: 20 }));
      model.doGenerate = async () => ({
        content: [{ type: 'tool-call', toolCallId: `c${ran}`, toolName: 'look', input: '{}' }],
        finishReason: { unified: 'tool-calls', raw: undefined },
        usage: {
          inputTokens: { total: 100, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: 20, text: undefined, reasoning: undefined },
        },
        warnings: [],
      });
      const look = tool({
        inputSchema: z.object({}),
        execute: async () => {
          const held = await budget.reserve({ toolCalls: 1 });
          ran += 1;
          await held.settle({ toolCalls: 1 });
          return 'nothing';
        },
      });
      await generateText({
        model: meteredModel(model, budget),
        prompt: 'go',
        tools: { look },
        stopWhen: stepCountIs(1_000),
      });
      return reply('never');
    };
    await open(agent, { limits: { run: { toolCalls: { run: 5 } } } });
    const record = await write('go');
    expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect([ran, record.runs[0]?.usage.toolCalls]).toEqual([5, 5]);
  });

  test('is stopped by its seconds', async () => {
    await open(looping({ made: 0 }), { limits: { run: { seconds: { run: 1 } } } });
    expect(await write('go')).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
  });
});

describe('the kill switch', () => {
  async function kill(on: boolean): Promise<void> {
    const bearer = await new SignJWT({ tenant: 'default', scope: 'budgets:write' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ada')
      .setExpirationTime('10m')
      .sign(Buffer.from(JWT_SECRET));
    const init = { method: 'POST', headers: { authorization: `Bearer ${bearer}` }, body: JSON.stringify({ on }) };
    expect((await gate.app.request('/budgets/kill', init)).status).toBe(200);
  }

  test.each<[string, Agent['run']]>([
    ['a promise that never settles', () => new Promise(() => {})],
    [
      'a model that never answers',
      async (_, { budget }) => {
        await generateText({
          model: meteredModel(
            fakeModel(() => new Promise(() => {})),
            budget,
          ),
          prompt: 'go',
        });
        return reply('never');
      },
    ],
    ['a loop of calls', looping({ made: 0 })],
  ])('ends %s, and nothing stays reserved', async (_, agent) => {
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const observed: Agent['run'] = (task, context) => {
      begin();
      return agent(task, context);
    };
    await open(observed, { killEveryMs: 20 });
    const writing = write('go');
    await begun;
    await kill(true);
    const record = await writing;
    expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_KILLED' } });
    const limit = {
      scope: 'tenant',
      account: 'default',
      resource: 'usdMicros',
      window: 'day',
      max: 'unlimited',
    } as const;
    const spent = record.runs[0]?.usage.usdMicros;
    expect(await gate.store.ledger.usage([limit])).toMatchObject([{ reserved: 0, spent }]);
    expect(told).toEqual([]);
  });

  test('lets nothing run until it is off again', async () => {
    let ran = 0;
    await open(async () => {
      ran += 1;
      return reply(`run ${ran}`);
    });
    await kill(true);
    const { event } = await write('1');
    expect(await recordOf(event.id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_KILLED' } });
    expect(ran).toBe(0);
    await kill(false);
    await gate.store.events.redrive('default', event.id);
    await drain(event.id);
    expect(told).toEqual(['run 1']);
  });
});

describe('a run', () => {
  test('shows in `/events/{id}` what it used', async () => {
    await open(async (_, { budget }) => {
      const { text } = await generateText({
        model: meteredModel(
          fakeModel(() => ({ input: 1000, output: 50 })),
          budget,
        ),
        prompt: 'hi',
      });
      await (await budget.reserve({ toolCalls: 1 })).settle({ toolCalls: 1 });
      return reply(text);
    });
    const { runs } = await write('hi');
    expect(runs).toMatchObject([
      {
        outcome: 'replied',
        usage: { usdMicros: 1100, inputTokens: 1000, outputTokens: 50, modelCalls: 1, toolCalls: 1 },
      },
    ]);
  });

  test('that failed shows what it used, and its next attempt counts for itself', async () => {
    let attempt = 0;
    await open(async (_, { budget }) => {
      attempt += 1;
      await (await budget.reserve({ usdMicros: 10 })).settle({ usdMicros: attempt });
      if (attempt === 1) throw new Error('broken');
      return reply('fine');
    });
    const { event } = await write('hi');
    clock.advance(12_000);
    await drain(event.id);
    expect((await recordOf(event.id)).runs).toMatchObject([
      { outcome: 'retry', usage: { usdMicros: 1 } },
      { outcome: 'replied', usage: { usdMicros: 2 } },
    ]);
  });

  test('of an agent without a model costs nothing and is not counted', async () => {
    await open(
      echoAgent.run,
      { limits: { user: { runs: { hour: 1 } }, tenant: { usdMicros: { day: 0 } } } },
      { agent: echoAgent },
    );
    for (const text of ['1', '2', '3']) {
      expect(await write(text)).toMatchObject({ state: 'done', runs: [{ usage: noUsage }] });
    }
  });
});

describe('whoever asked', () => {
  test('is told once per window that the budget is used up, in words without figures', async () => {
    await open(async () => reply('fine'), { limits: { user: { runs: { hour: 1 } } } });
    expect(await write('1')).toMatchObject({ state: 'done' });
    for (const text of ['2', '3']) {
      expect(await write(text)).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    }
    const sorry =
      'Sorry, I cannot answer now. Your budget for this hour is used up. It starts again at 2030-03-17 18:00 UTC.';
    expect(told).toEqual(['fine', sorry]);

    await write('4', { user: 'U2' });
    expect(told.at(-1)).toBe('fine');
    clock.advance(3_600_000);
    expect(await write('5')).toMatchObject({ state: 'done' });
    await write('6');
    expect(told.at(-1)).toBe(sorry.replace('18:00', '19:00'));
  });

  test('each is told when what they share is used up', async () => {
    await open(async () => reply('fine'), { limits: { tenant: { runs: { day: 0 } } } });
    for (const user of ['U1', 'U2', 'U1']) await write(user + told.length, { user });
    expect(told).toHaveLength(2);
    clock.advance(DAY_MS);
    await write('again');
    expect(told).toHaveLength(3);
  });

  test('gets the answer after all when an operator redrives the event', async () => {
    await open(async () => reply('fine'), { limits: { user: { runs: { hour: 0 } } } });
    const { event } = await write('1');
    clock.advance(3_600_000);
    await gate.store.records.compareAndSet('default', 'budgets', 'user', 0, { runs: { hour: 9 } });
    expect(await gate.store.events.redrive('default', event.id)).toMatchObject({ kind: 'ok' });
    await drain(event.id);
    expect(await recordOf(event.id)).toMatchObject({ state: 'done', generation: 2 });
    expect(told).toEqual([expect.stringMatching(/^Sorry/), 'fine']);
  });

  test('is not kept waiting for an event the policy drops', async () => {
    await open(async () => reply('fine'), { limits: { user: { runs: { hour: 0 } } }, onExhausted: 'drop' });
    const record = await write('1');
    expect(record).toMatchObject({ state: 'done', runs: [{ outcome: 'silent', code: 'ERR_BUDGET_EXHAUSTED' }] });
    expect(told).toHaveLength(1);
  });

  test('who cannot be told changes nothing', async () => {
    const mute: Replier = { ...replier, send: () => Promise.reject(new Error('no')) };
    await open(async () => reply('fine'), { limits: { user: { runs: { hour: 0 } } } }, { replier: mute });
    expect(await write('1')).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
  });
});
