import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { BudgetLimits } from '../../../../src/core/budget.ts';
import type { LlmAnswer, LlmRequest } from '../../../../src/testing/agents/llm-server.ts';
import { defineTool, type Tool } from '../../../../src/workers/tools/tool.ts';
import { type AssistantOptions, type AssistantWorld, openAssistant } from '../../../support/assistant.ts';

let world: AssistantWorld;
afterEach(() => world.stop());

const open = async (options: AssistantOptions = {}): Promise<void> => {
  world = await openAssistant(options);
};

/** A tool that says how often it ran. */
function counting(more: Partial<Tool> = {}): { tool: Tool; ran: unknown[] } {
  const ran: unknown[] = [];
  const tool = defineTool({
    name: 'look',
    description: 'Looks something up.',
    input: z.strictObject({ what: z.string() }),
    effect: 'none',
    maxCalls: 1_000,
    run: ({ what }) => {
      ran.push(what);
      return { found: `${what} #${ran.length}` };
    },
    ...(more as object),
  });
  return { tool: tool as Tool, ran };
}
const look = (what: string): LlmAnswer => ({ calls: [{ name: 'look', arguments: { what } }] });

describe('a message', () => {
  test('is answered by the model, and the run says what it used', async () => {
    await open();
    world.llm.script({ text: 'Good morning!', usage: { input: 100, output: 20 } });
    const record = await world.write('hello');
    expect(world.told).toEqual(['Good morning!']);
    expect(record).toMatchObject({
      state: 'done',
      runs: [
        {
          outcome: 'replied',
          agent: 'assistant',
          usage: { modelCalls: 1, toolCalls: 0, inputTokens: 100, outputTokens: 20, usdMicros: 140 },
        },
      ],
    });
    expect(world.llm.requests).toMatchObject([{ model: 'local', max_tokens: 500, messages: [{ role: 'system' }, {}] }]);
    expect(world.llm.requests[0]?.tools).toBeUndefined();
  });

  test('comes with the date and the time, in the zone that was set', async () => {
    await open();
    await world.write('what day is it?');
    const { messages } = world.llm.requests[0] ?? { messages: [] };
    const now = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'Europe/Berlin' });
    const [system, asked] = messages.map(({ content }) => String(content));
    // The full style of this language puts a comma after the day of the week in some releases of ICU.
    expect(system?.split('It is ').at(-1)?.replace(',', '')).toMatch(
      new RegExp(`^${now.format(world.clock.now()).replace(',', '')} at `),
    );
    expect(system).toMatch(/ at \d\d:\d\d GMT[+]0[12]:00 [(]Europe[/]Berlin[)][.]$/);
    expect(asked).not.toContain('Europe/Berlin');
  });

  test('gets a short answer from a budget that cannot pay a long one, and the next one a refusal', async () => {
    // What is sent comes to about 1,800 tokens; an answer of 500 would cost 1,000 micro-dollars more.
    const limits: BudgetLimits = { tenant: { usdMicros: { day: 2_500 } } };
    await open({ gate: { budget: { limits } } });
    world.llm.script({ text: 'In short: yes.', usage: { input: 2_000, output: 10 } });
    expect(await world.write('hello')).toMatchObject({ state: 'done', runs: [{ usage: { usdMicros: 2_020 } }] });
    const limit = world.llm.requests[0]?.max_tokens ?? 0;
    expect(limit).toBeGreaterThanOrEqual(16);
    expect(limit).toBeLessThan(500);
    const refused = await world.write('and now?');
    expect(refused).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect(world.told).toEqual(['In short: yes.', expect.stringContaining('is used up')]);
    expect(world.llm.requests).toHaveLength(1);
  });

  test('answered with more than any reply holds, and with arguments no tool takes, is cut before it is scrubbed', async () => {
    const { tool, ran } = counting();
    await open({ tools: [tool] });
    world.llm.script(
      { text: 'pw: '.repeat(200_000), calls: [{ name: 'look', arguments: { what: 'word '.repeat(100_000) } }] },
      { text: 'done' },
    );
    const record = await world.write('hello');
    expect(record).toMatchObject({ state: 'done', runs: [{ outcome: 'replied' }] });
    expect(ran).toEqual([]);
    const asked = JSON.stringify(world.llm.requests[1]);
    expect(asked).toContain('[cut: the whole text has 800000 characters]');
    expect(asked.length).toBeLessThan(800_000);
  });

  test('to which the model says nothing ends silently', async () => {
    await open({ answer: () => ({ text: ' \n' }) });
    expect(await world.write('ok')).toMatchObject({ state: 'done', runs: [{ outcome: 'silent' }] });
    expect(world.told).toEqual([]);
  });

  test('of more bytes than the model may see is cut', async () => {
    await open({ maxInput: 1024 });
    await world.write('ü'.repeat(10_000));
    const text = world.llm.requests[0]?.messages[1]?.content ?? '';
    expect(text).toContain(`${'ü'.repeat(512)}\n[cut here: 18976 bytes more]`);
  });
});

describe('tools', () => {
  test('are called, and their results come back as data under the same id', async () => {
    const { tool, ran } = counting();
    await open({ tools: [tool] });
    world.llm.script(look('weather'), { text: 'It rains.' });
    const record = await world.write('weather?');
    expect([world.told, ran]).toEqual([['It rains.'], ['weather']]);
    expect(record.runs[0]?.usage).toMatchObject({ modelCalls: 2, toolCalls: 1 });
    const [first, second] = world.llm.requests;
    expect(first?.tools).toMatchObject([{ function: { name: 'look', parameters: { type: 'object' } } }]);
    const [, , asked, result] = second?.messages ?? [];
    expect(asked?.tool_calls).toMatchObject([{ function: { name: 'look', arguments: '{"what":"weather"}' } }]);
    expect(result).toMatchObject({ role: 'tool', tool_call_id: asked?.tool_calls?.[0]?.id });
    expect(result?.content).toMatch(/^<data-[0-9a-f]{32} from="tool" tool="look">\n\{"found":"weather #1"\}\n<\/data-/);
  });

  test('that do not exist, or are called with nonsense, are refused and the model is told', async () => {
    const { tool, ran } = counting();
    await open({ tools: [tool] });
    world.llm.script(
      { calls: [{ name: 'rm_rf', arguments: {} }] },
      { calls: [{ name: 'look', arguments: '{ not JSON' }] },
      { calls: [{ name: 'look', arguments: { what: 1 } }] },
      { text: 'I give up.' },
    );
    await world.write('go');
    expect([world.told, ran]).toEqual([['I give up.'], []]);
    const told = world.llm.requests.at(-1)?.messages.filter(({ role }) => role === 'tool') ?? [];
    expect(told.map(({ content }) => /"refused":"([a-z-]+)"/.exec(content ?? '')?.[1])).toEqual([
      'unknown-tool',
      'bad-arguments',
      'bad-arguments',
    ]);
  });

  test('called in a flood are made up to a bound', async () => {
    const { tool, ran } = counting();
    await open({ tools: [tool] });
    const flood = Array.from({ length: 40 }, (_, i) => ({ name: 'look', arguments: { what: String(i) } }));
    world.llm.script({ calls: flood }, { text: 'done' });
    await world.write('go');
    expect([ran.length, world.told]).toEqual([16, ['done']]);
  });

  test('can be a part of another agent, whose answer comes back as data', async () => {
    const researcher = {
      description: 'Looks into things.',
      instructions: 'You research.',
      tools: ['look'],
      budget: {},
    };
    const { tool, ran } = counting();
    await open({ tools: [tool], delegates: new Map([['researcher', researcher]]) });
    world.llm.script(
      { calls: [{ name: 'delegate', arguments: { agent: 'researcher', task: 'find it' } }] },
      look('it'),
      { text: 'It is 42.' },
      { text: 'The answer is 42.' },
    );
    const record = await world.write('what is it?');
    expect([world.told, ran]).toEqual([['The answer is 42.'], ['it']]);
    expect(record.runs[0]?.usage).toMatchObject({ modelCalls: 4 });
    const [, sub] = world.llm.requests;
    expect(sub?.messages[0]?.content).toMatch(/^You research\./);
    expect(sub?.messages[1]?.content).toContain('\nfind it\n');
    expect(sub?.tools?.map(({ function: { name } }) => name)).toEqual(['look']);
  });
});

describe('an attempt after a worker died', () => {
  test('does not ask the model again for what it has answered', async () => {
    let attempts = 0;
    await open({
      guardrails: [
        {
          name: 'dies-once',
          stages: ['output'],
          check: () => {
            attempts += 1;
            if (attempts === 1) throw new Error('as if the worker died here');
            return { kind: 'pass' };
          },
        },
      ],
    });
    world.llm.script({ text: 'first' }, { text: 'second' });
    const record = await world.write('hi', { attempts: 2 });
    expect(world.told).toEqual(['first']);
    expect(world.llm.requests).toHaveLength(1);
    expect(record.runs).toMatchObject([{ outcome: 'retry' }, { outcome: 'replied', usage: { modelCalls: 0 } }]);
  });

  test('goes on in the middle of a conversation with tools, and repeats no call of one', async () => {
    const { tool, ran } = counting();
    await open({ tools: [tool] });
    world.llm.script(look('one'), { status: 503 }, look('two'), { text: 'both' });
    const record = await world.write('go', { attempts: 2 });
    expect([world.told, ran]).toEqual([['both'], ['one', 'two']]);
    expect(record.runs).toMatchObject([{ usage: { toolCalls: 1 } }, { usage: { modelCalls: 2, toolCalls: 1 } }]);
    const lengths = world.llm.requests.map(({ messages }) => messages.length);
    expect(lengths).toEqual([2, 4, 4, 6]);
    expect(withoutNonce(world.llm.requests[2])).toEqual(withoutNonce(world.llm.requests[1]));
  });
});

/** Also without the time of day, which goes on between attempts. */
const withoutNonce = (request: LlmRequest | undefined): string =>
  JSON.stringify(request?.messages)
    .replace(/data-[0-9a-f]{32}/g, 'data')
    .replace(/ at \d\d:\d\d GMT/, ' GMT');

describe('a model that loops', () => {
  const forever = (_: LlmRequest, n: number): LlmAnswer => look(`again ${n}`);
  // A call reserves 1,024 tokens and its bytes and 500 more (1 and 2 micro-dollars each), and uses 120 (140 micro-dollars).
  test.each<[string, BudgetLimits]>([
    ['calls', { run: { modelCalls: { run: 3 } } }],
    ['tool calls', { run: { toolCalls: { run: 3 } } }],
    ['tokens', { run: { tokens: { run: 6_000 } } }],
    ['micro-dollars', { run: { usdMicros: { run: 6_000 } } }],
    ['seconds', { run: { seconds: { run: 1 } } }],
  ])('is stopped by its limit of %s', async (_, limits) => {
    const { tool } = counting();
    await open({ tools: [tool], answer: forever, maxSteps: 10_000, gate: { budget: { limits } } });
    expect(await world.write('go')).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect(world.told).toEqual(['Sorry, this took more than I may use for one request, so I stopped.']);
  });

  test('is stopped by the limits of its agent, which narrow those of its tenant', async () => {
    const { tool } = counting();
    const limits = { run: { modelCalls: { run: 9 } } };
    await open({
      tools: [tool],
      answer: forever,
      definition: { limits: { modelCalls: { run: 2 } } },
      gate: { budget: { limits } },
    });
    expect(await world.write('go')).toMatchObject({ state: 'parked', runs: [{ usage: { modelCalls: 2 } }] });
  });

  test('is told to come to an end, and ended when it does not', async () => {
    const { tool } = counting();
    await open({ tools: [tool], answer: forever, maxSteps: 4 });
    expect(await world.write('go')).toMatchObject({ state: 'parked', failure: { code: 'ERR_STEPS_EXHAUSTED' } });
    expect(world.llm.requests.map(({ tool_choice: choice }) => choice)).toEqual(['auto', 'auto', 'auto', 'none']);
  });
});

describe('an endpoint', () => {
  test.each([
    [401, 'ERR_MODEL_REJECTED'],
    [403, 'ERR_MODEL_REJECTED'],
    [404, 'ERR_MODEL_REJECTED'],
    [400, 'ERR_MODEL_REJECTED'],
  ])('that answers %i is not asked again', async (status, code) => {
    await open({ answer: () => ({ status }) });
    expect(await world.write('hi', { attempts: 3 })).toMatchObject({ state: 'parked', failure: { code } });
    expect(world.llm.requests).toHaveLength(1);
  });

  test.each<[string, LlmAnswer]>([
    ['answers 429', { status: 429 }],
    ['answers 500', { status: 500 }],
    ['answers 503', { status: 503 }],
    ['answers nonsense', { body: '<html>' }],
    ['drops the connection', { fault: 'drop' }],
    ['does not answer in time', { fault: 'hang' }],
  ])('that %s is asked again later', async (_, answer) => {
    await open({ timeoutMs: 500 });
    world.llm.script(answer, { text: 'better' });
    const record = await world.write('hi', { attempts: 2 });
    expect(record.runs).toMatchObject([{ outcome: 'retry', code: 'ERR_MODEL_UNAVAILABLE' }, { outcome: 'replied' }]);
    expect(world.told).toEqual(['better']);
  });

  test('says itself how long it wants to be left alone', async () => {
    await open();
    world.llm.script({ status: 429, headers: { 'retry-after': '50' } });
    const record = await world.write('hi');
    world.clock.advance(49_000);
    await world.attempt(record);
    expect(world.llm.requests).toHaveLength(1);
    world.clock.advance(2_000);
    expect(await world.attempt(record)).toMatchObject({ state: 'done' });
  });

  test('is not asked for a model whose price nobody knows', async () => {
    await open({ gate: { budget: { priceOf: async () => null } } });
    expect(await world.write('hi')).toMatchObject({ state: 'parked', failure: { code: 'ERR_PRICE_UNKNOWN' } });
    expect(world.llm.requests).toEqual([]);
  });
});
