import { describe, expect, test } from 'vitest';
import { createPrices } from '../../../../src/workers/budget/prices.ts';

const use = { input: 1_000_000, output: 1_000_000 };

describe('prices', () => {
  test('a configured price stands before the list, a model’s own before the standard one', async () => {
    const prices = createPrices({
      standard: { input: 1, output: 2 },
      models: { 'gpt-4o-mini': { input: 3, output: 4 } },
    });
    expect((await prices('gpt-4o-mini'))?.cost(use)).toBe(7_000_000);
    expect((await prices('llama3'))?.cost(use)).toBe(3_000_000);
    expect((await prices('constructor'))?.cost(use)).toBe(3_000_000);
  });

  test('a model without a configured price is looked up in the bundled list, without a network', async () => {
    const price = await createPrices({ models: {} })('gpt-4o-mini');
    expect(price?.cost({ input: 1_000_000, output: 1_000_000 })).toBe(750_000);
    expect(price?.cost({ input: 1_000_000, output: 0, cacheRead: 1_000_000 })).toBe(75_000);
  });

  test('a model nobody knows has no price', async () => {
    const prices = createPrices({ models: {} });
    for (const model of ['llama3:8b', 'my-model', '', '__proto__', 'toString']) expect(await prices(model)).toBeNull();
  });

  test('an endpoint the list knows is asked for its own price', async () => {
    const elsewhere = createPrices({ models: {}, baseUrl: 'https://openrouter.ai/api/v1' });
    expect(await elsewhere('gpt-4o-mini')).toBeNull();
    expect((await elsewhere('openai/gpt-4o-mini'))?.cost(use)).toBe(750_000);
  });

  test.each([
    ['anthropic.messages', 'claude-sonnet-4-5', 18_000_000],
    ['amazon-bedrock', 'anthropic.claude-3-haiku-20240307-v1:0', 1_500_000],
    ['azure.responses', 'gpt-4o-mini', 750_000],
    ['openai.responses', 'gpt-4o-mini', 750_000],
    ['google.generative-ai', 'gemini-2.0-flash', 500_000],
    ['some-gateway.chat', 'gpt-4o-mini', 750_000],
  ])('a model of %s is looked up there: %s', async (provider, model, micros) => {
    // A million tokens, in parts that no step of a price is for.
    const price = await createPrices({ models: {}, baseUrl: 'https://openrouter.ai/api/v1' })(model, provider);
    expect(1_000 * (price?.cost({ input: 1_000, output: 1_000 }) ?? 0)).toBe(micros);
  });

  test('a model of another provider has its own configured price, never that of the endpoint', async () => {
    const [low, high] = [
      { input: 1, output: 1 },
      { input: 5, output: 5 },
    ];
    const prices = createPrices({ standard: { input: 0, output: 0 }, models: { mine: low, 'azure/mine': high } });
    expect((await prices('mine', 'azure.responses'))?.cost(use)).toBe(10_000_000);
    expect((await prices('mine', 'amazon-bedrock'))?.cost(use)).toBe(2_000_000);
    expect(await prices('other', 'azure.responses')).toBeNull();
    expect((await prices('other'))?.cost(use)).toBe(0);
  });

  test('free has to be written', async () => {
    const free = await createPrices({ standard: { input: 0, output: 0 }, models: {} })('llama3');
    expect([free?.cost(use), free?.worst(1e6, 1e6)]).toEqual([0, 0]);
  });

  test('fractions of a micro-dollar are rounded up, and only real ones', async () => {
    const price = await createPrices({ standard: { input: 0.15, output: 0.6 }, models: {} })('small');
    expect(price?.cost({ input: 1, output: 0 })).toBe(1);
    expect(price?.cost({ input: 20, output: 0 })).toBe(3);
    expect(price?.cost({ input: 3, output: 1 })).toBe(2);
  });

  test.each(['gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-pro', 'deepseek-chat', 'o3'])(
    'the worst case of %s covers every use within it, cached or not',
    async (model) => {
      const price = await createPrices({ models: {} })(model);
      for (const most of [1_000, 150_000, 199_999, 200_001, 900_000]) {
        const worst = price?.worst(most, 4_096) ?? 0;
        for (const input of [0, 1, most / 2, most - 1, most].map(Math.floor)) {
          for (const cache of [{}, { cacheRead: input }, { cacheWrite: input }]) {
            expect(price?.cost({ input, output: 4_096, ...cache })).toBeLessThanOrEqual(worst);
          }
        }
      }
    },
  );

  test('figures that cannot be have no cost', async () => {
    const price = await createPrices({ models: {} })('claude-sonnet-4-5');
    expect(price?.cost({ input: 10, output: 1, cacheRead: 11 })).toBeNull();
    expect(price?.cost({ input: -1, output: 1 })).toBeNull();
  });
});
