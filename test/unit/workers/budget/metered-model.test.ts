import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BudgetLimits } from '../../../../src/core/budget.ts';
import { meteredModel, type SdkModel } from '../../../../src/workers/budget/metered-model.ts';
import type { OpenBudget } from '../../../../src/workers/budget/run-budget.ts';
import { type BudgetOptions, budgetsOver } from '../../../support/budget.ts';
import { fakeModel, usageOf } from '../../../support/fake-model.ts';
import { openSpending, type SpendingStore } from '../../../support/spending.ts';

let world: SpendingStore;
let budget: OpenBudget;
beforeEach(async () => {
  world = await openSpending();
});
afterEach(async () => {
  await budget.close();
  await world.close();
});

async function open(limits?: BudgetLimits, options: BudgetOptions = {}): Promise<OpenBudget> {
  budget = await budgetsOver(world.store, { ...options, ...(limits === undefined ? {} : { limits }) })(
    world.spending(),
  );
  return budget;
}

const failing = (statusCode: number | undefined) =>
  new MockLanguageModelV3({
    modelId: 'fake',
    doGenerate: async () => {
      throw new APICallError({
        message: 'no',
        url: 'https://llm.example/v1',
        requestBodyValues: {},
        ...(statusCode === undefined ? {} : { statusCode }),
        isRetryable: false,
      });
    },
  });

describe('a call', () => {
  test('costs what the vendor reports, at the model’s price', async () => {
    const { run } = await open();
    const model = meteredModel(
      fakeModel(() => ({ input: 1000, output: 50 })),
      run,
    );
    expect((await generateText({ model, prompt: 'hi' })).text).toBe('hello');
    expect(run.usage).toEqual({ usdMicros: 1100, inputTokens: 1000, outputTokens: 50, modelCalls: 1, toolCalls: 0 });
    expect(await world.spentToday()).toEqual({ spent: 1100, reserved: 0 });
  });

  test('of a model with the older interface is reserved, limited and settled alike', async () => {
    const { run } = await open({ tenant: { usdMicros: { day: 3_000 } } });
    let limit = 0;
    const usage = { inputTokens: 1_000, outputTokens: 50, totalTokens: 1_050, cachedInputTokens: 100 };
    const older: Extract<SdkModel, { specificationVersion: 'v2' }> = {
      specificationVersion: 'v2',
      provider: 'fake.chat',
      modelId: 'fake',
      supportedUrls: {},
      doGenerate: async ({ maxOutputTokens = 0 }) => {
        limit = maxOutputTokens;
        return { content: [{ type: 'text', text: 'hello' }], finishReason: 'stop', usage, warnings: [] };
      },
      doStream: async () => ({
        stream: new ReadableStream({
          start(controller) {
            controller.enqueue({ type: 'stream-start', warnings: [] });
            controller.enqueue({ type: 'finish', finishReason: 'stop', usage });
            controller.close();
          },
        }),
      }),
    };
    expect((await generateText({ model: meteredModel(older, run), prompt: 'hi' })).text).toBe('hello');
    expect(limit).toBeLessThan(1_000);
    expect(run.usage).toEqual({ usdMicros: 1100, inputTokens: 1000, outputTokens: 50, modelCalls: 1, toolCalls: 0 });
    expect(await world.spentToday()).toEqual({ spent: 1100, reserved: 0 });
    await streamText({ model: meteredModel(older, run), prompt: 'hi' }).text;
    expect(await world.spentToday()).toEqual({ spent: 2200, reserved: 0 });
  });

  test('is reserved before the vendor sees it', async () => {
    const { run } = await open();
    let during = { spent: -1, reserved: -1 };
    const model = fakeModel(async () => {
      during = await world.spentToday();
      return { input: 1000, output: 50 };
    });
    await generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 500 });
    expect(during.spent).toBe(0);
    expect(during.reserved).toBeGreaterThanOrEqual(1100);
  });

  test('always has a limit for its output, the caller’s where there is one', async () => {
    const { run } = await open();
    const model = fakeModel(() => ({ input: 10, output: 5 }));
    await generateText({ model: meteredModel(model, run), prompt: 'hi' });
    await generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 7 });
    expect(model.doGenerateCalls.map(({ maxOutputTokens }) => maxOutputTokens)).toEqual([4096, 7]);
  });

  test('costs its worst case when the vendor reports nothing', async () => {
    const { run } = await open();
    await generateText({
      model: meteredModel(
        fakeModel(() => ({})),
        run,
      ),
      prompt: 'hi',
      maxOutputTokens: 500,
    });
    expect(run.usage).toMatchObject({ modelCalls: 1, outputTokens: 500 });
    expect(await world.spentToday()).toEqual({ spent: run.usage.usdMicros, reserved: 0 });
    expect(run.usage.usdMicros).toBeGreaterThan(1000);
  });

  test.each([400, 401, 429])('that is refused with %d costs nothing and counts', async (status) => {
    const { run } = await open();
    await expect(generateText({ model: meteredModel(failing(status), run), prompt: 'hi' })).rejects.toThrow('no');
    expect(run.usage).toMatchObject({ usdMicros: 0, inputTokens: 0, modelCalls: 1 });
  });

  test.each([500, 503, undefined])('that fails with %s costs its worst case, because nobody knows', async (status) => {
    const { run } = await open();
    await expect(generateText({ model: meteredModel(failing(status), run), prompt: 'hi' })).rejects.toThrow('no');
    expect(run.usage.usdMicros).toBeGreaterThan(8192);
    expect(await world.spentToday()).toEqual({ spent: run.usage.usdMicros, reserved: 0 });
  });

  test('that the SDK tries again is another call', async () => {
    const { run } = await open();
    let calls = 0;
    const model = fakeModel(() => {
      calls += 1;
      if (calls > 1) return { input: 1, output: 1 };
      throw new APICallError({ message: 'busy', url: 'https://llm.example', requestBodyValues: {}, isRetryable: true });
    });
    await generateText({ model: meteredModel(model, run), prompt: 'hi', maxRetries: 1 });
    expect(run.usage.modelCalls).toBe(2);
  });

  test.each<[string, BudgetLimits, BudgetLimits]>([
    // What is sent and the allowance for what a vendor adds come to more than 1,024 tokens, and to less than 1,500.
    ['money', { tenant: { usdMicros: { day: 2_000 } } }, { tenant: { usdMicros: { day: 1_050 } } }],
    ['tokens', { run: { tokens: { run: 1_700 } } }, { run: { tokens: { run: 1_050 } } }],
  ])('is limited to an answer that the rest of the %s can pay, and not made without it', async (_, some, none) => {
    const { run } = await open(some);
    const model = fakeModel(({ maxOutputTokens = 0 }) => ({ input: 100, output: maxOutputTokens }));
    expect((await generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 800 })).text).toBe(
      'hello',
    );
    const limit = model.doGenerateCalls[0]?.maxOutputTokens ?? 0;
    expect(limit).toBeGreaterThanOrEqual(16);
    expect(limit).toBeLessThan(800);
    expect(run.usage).toMatchObject({ outputTokens: limit, modelCalls: 1 });
    expect(budget.stopped).toBeUndefined();
    await budget.close();

    await open(none);
    const other = fakeModel(() => ({ input: 1, output: 1 }));
    const refused = generateText({ model: meteredModel(other, budget.run), prompt: 'hi', maxOutputTokens: 800 });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED', refusal: { isNews: true } });
    expect(other.doGenerateCalls).toHaveLength(0);
  });

  test('is limited to the last token that can be paid, and never reserves more than is left', async () => {
    let during = { spent: 0, reserved: 0 };
    const { run } = await open({ tenant: { usdMicros: { day: 2_000 } } });
    const model = fakeModel(async () => {
      during = await world.spentToday();
      return { input: 1, output: 1 };
    });
    await generateText({ model: meteredModel(model, run), prompt: 'hi' });
    // A token of an answer costs 2 micro-dollars.
    expect([1_999, 2_000]).toContain(during.reserved);
  });

  test('of a stream is limited like any other', async () => {
    const { run } = await open({ tenant: { usdMicros: { day: 2_000 } } });
    const model = fakeModel(({ maxOutputTokens = 0 }) => ({ input: 1, output: maxOutputTokens }));
    await streamText({ model: meteredModel(model, run), prompt: 'hi' }).text;
    expect(model.doStreamCalls[0]?.maxOutputTokens).toBeLessThan(500);
    expect(run.usage.outputTokens).toBe(model.doStreamCalls[0]?.maxOutputTokens);
  });

  test('whose lowered limit left no room for an answer is refused, so that nobody is left without a word', async () => {
    const { run } = await open({ tenant: { usdMicros: { day: 2_000 } } });
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    const { doGenerate } = model;
    model.doGenerate = async (options) => ({
      ...(await doGenerate(options)),
      content: [{ type: 'reasoning', text: 'Let me think' }],
      finishReason: { unified: 'length', raw: undefined },
    });
    const refused = generateText({ model: meteredModel(model, run), prompt: 'hi' });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED', refusal: { isNews: true } });
    expect(run.usage.modelCalls).toBe(1);
  });

  test('waits for what others have reserved rather than take a much shorter answer', async () => {
    const limits = { tenant: { usdMicros: { day: 12_000 } } };
    const other = await budgetsOver(world.store, { limits })(world.spending());
    const held = await other.run.reserve({ usdMicros: 10_500 });
    const { run } = await open(limits, { patienceMs: 60_000 });
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    const asking = generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 5_400 });
    await held.settle({ usdMicros: 1_000 });
    await asking;
    expect(model.doGenerateCalls[0]?.maxOutputTokens).toBeGreaterThan(4_000);
    await other.close();
  });

  test('takes the shorter answer when nothing is given back in time', async () => {
    const limits = { tenant: { usdMicros: { day: 12_000 } } };
    const other = await budgetsOver(world.store, { limits })(world.spending());
    await other.run.reserve({ usdMicros: 10_500 });
    const { run } = await open(limits, { patienceMs: 1 });
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    await generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 5_400 });
    expect(model.doGenerateCalls[0]?.maxOutputTokens).toBeLessThan(300);
    await other.close();
  });

  test('is not made when the worst case does not fit, however cheap it would have been', async () => {
    const { run } = await open({ tenant: { usdMicros: { day: 1_050 } } });
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    await expect(
      generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 500 }),
    ).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  test('is not made when nobody knows its price', async () => {
    const { run } = await open(undefined, { priceOf: async () => null });
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    await expect(generateText({ model: meteredModel(model, run), prompt: 'hi' })).rejects.toMatchObject({
      code: 'ERR_PRICE_UNKNOWN',
    });
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  test('that used more than its worst case stops the run, and all of it is spent', async () => {
    const { run } = await open();
    const model = fakeModel(({ maxOutputTokens = 0 }) => ({ input: 10, output: 10 * maxOutputTokens }));
    await expect(generateText({ model: meteredModel(model, run), prompt: 'hi' })).rejects.toMatchObject({
      code: 'ERR_BUDGET_OVERRUN',
    });
    expect(budget.stopped).toMatchObject({ code: 'ERR_BUDGET_OVERRUN' });
    expect(run.usage).toMatchObject({ outputTokens: 40_960, usdMicros: 81_930 });
    expect(await world.spentToday()).toEqual({ spent: 81_930, reserved: 0 });
    await expect(generateText({ model: meteredModel(model, run), prompt: 'hi' })).rejects.toMatchObject({
      code: 'ERR_BUDGET_OVERRUN',
    });
    expect(model.doGenerateCalls).toHaveLength(1);
  });

  test('ends with the run', async () => {
    const { run } = await open();
    let sawAbort = false;
    const model = fakeModel(
      ({ abortSignal }) =>
        new Promise((_, reject) => {
          abortSignal?.addEventListener('abort', () => {
            sawAbort = true;
            reject(abortSignal.reason);
          });
        }),
    );
    const call = generateText({ model: meteredModel(model, run), prompt: 'hi', maxOutputTokens: 10 });
    await expect.poll(() => model.doGenerateCalls.length).toBe(1);
    await budget.close();
    await expect(call).rejects.toThrow();
    expect(sawAbort).toBe(true);
    // The vendor may have served it.
    expect(await world.spentToday()).toMatchObject({ reserved: 0, spent: run.usage.usdMicros });
    expect(run.usage).toMatchObject({ modelCalls: 1, outputTokens: 10 });
  });
});

describe('a stream', () => {
  test('costs what its last part reports', async () => {
    const { run } = await open();
    const { text } = streamText({
      model: meteredModel(
        fakeModel(() => ({ input: 1000, output: 50 }), 'a b c'),
        run,
      ),
      prompt: 'hi',
    });
    expect((await text).trim()).toBe('a b c');
    expect(run.usage).toMatchObject({ usdMicros: 1100, modelCalls: 1 });
    expect(await world.spentToday()).toEqual({ spent: 1100, reserved: 0 });
  });

  test('that is left before its end costs the worst case', async () => {
    const { run } = await open();
    const model = new MockLanguageModelV3({
      modelId: 'fake',
      doStream: async () => ({
        stream: new ReadableStream({
          pull: (controller) => controller.enqueue({ type: 'text-delta', id: '1', delta: 'x' }),
        }),
      }),
    });
    const { stream } = await meteredModel(model, run).doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      maxOutputTokens: 500,
    });
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(run.usage).toMatchObject({ modelCalls: 1, outputTokens: 500 });
    expect(await world.spentToday()).toEqual({ spent: run.usage.usdMicros, reserved: 0 });
  });

  test.each(['breaks', 'ends without a word about usage'])('that %s costs the worst case', async (how) => {
    const { run } = await open();
    const model = new MockLanguageModelV3({
      modelId: 'fake',
      doStream: async () => ({
        stream: new ReadableStream({
          start: (controller) => (how === 'breaks' ? controller.error(new Error('cut')) : controller.close()),
        }),
      }),
    });
    const { stream } = await meteredModel(model, run).doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      maxOutputTokens: 500,
    });
    const read = stream.getReader().read();
    if (how === 'breaks') await expect(read).rejects.toThrow('cut');
    else expect(await read).toMatchObject({ done: true });
    expect(run.usage).toMatchObject({ modelCalls: 1, outputTokens: 500 });
  });

  test('stops with the run', async () => {
    const { run } = await open();
    const model = new MockLanguageModelV3({
      modelId: 'fake',
      doStream: async () => ({
        stream: new ReadableStream({
          pull: (controller) => controller.enqueue({ type: 'text-delta', id: '1', delta: 'x' }),
        }),
      }),
    });
    const { stream } = await meteredModel(model, run).doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    });
    const reader = stream.getReader();
    await reader.read();
    await budget.close();
    await expect(
      (async () => {
        for (let n = 0; n < 5; n += 1) await reader.read();
      })(),
    ).rejects.toMatchObject({ message: 'the run is over' });
  });
});

describe('input that has no bound', () => {
  const image = (data: Uint8Array | URL, mediaType: string) => [
    { role: 'user' as const, content: [{ type: 'file' as const, data, mediaType }] },
  ];
  const answering = () =>
    new MockLanguageModelV3({
      modelId: 'fake',
      supportedUrls: { '*/*': [/.*/] },
      doGenerate: async () => ({
        content: [{ type: 'text', text: 'ok' }],
        finishReason: { unified: 'stop', raw: undefined },
        usage: usageOf({ input: 1, output: 1 }),
        warnings: [],
      }),
    });

  test.each([
    ['a picture the vendor fetches', image(new URL('https://pictures.example/a.png'), 'image/png')],
    ['a document', image(new Uint8Array(10), 'application/pdf')],
  ])('is not sent: %s', async (_, messages) => {
    const { run } = await open();
    const model = answering();
    await expect(generateText({ model: meteredModel(model, run), messages })).rejects.toMatchObject({
      code: 'ERR_PRICE_UNKNOWN',
    });
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  test('a tool the vendor runs is not offered', async () => {
    const { run } = await open();
    const model = answering();
    const search = tool({ type: 'provider', id: 'vendor.search', args: {}, inputSchema: jsonSchema({}) } as never);
    await expect(
      generateText({ model: meteredModel(model, run), prompt: 'hi', tools: { search } }),
    ).rejects.toMatchObject({
      code: 'ERR_PRICE_UNKNOWN',
    });
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  test('a picture in the message is reserved as the dearest there is', async () => {
    const { run } = await open({ tenant: { tokens: { day: 50_000 } } });
    await expect(
      generateText({ model: meteredModel(answering(), run), messages: image(new Uint8Array(10), 'image/png') }),
    ).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
  });
});
