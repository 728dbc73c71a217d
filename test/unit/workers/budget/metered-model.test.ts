import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BudgetLimits } from '../../../../src/core/budget.ts';
import { meteredModel } from '../../../../src/workers/budget/metered-model.ts';
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

  test('is not made when the worst case does not fit, however cheap it would have been', async () => {
    const { run } = await open({ tenant: { usdMicros: { day: 2_000 } } });
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
