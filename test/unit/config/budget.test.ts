import { describe, expect, test } from 'vitest';
import { loadConfig, type Role } from '../../../src/config/load.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};

function load(environment: Record<string, string>, file: unknown = undefined, role: Role = 'all') {
  const loaded = loadConfig(file, { ...sound, ...environment }, role);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}
const problemsOf = (environment: Record<string, string>, file: unknown = undefined) => {
  const loaded = loadConfig(file, { ...sound, ...environment }, 'all');
  return loaded.ok ? [] : loaded.problems;
};
const limitsOf = (environment: Record<string, string>, file?: unknown) =>
  load(environment, file).tenants.default?.budget.limits;

describe('budgets', () => {
  test('come from the environment in dollars and whole numbers', () => {
    const limits = limitsOf({
      SALLYPORT_BUDGET_USD_DAY: '0.25',
      SALLYPORT_BUDGET_RUN_CALLS: '3',
      SALLYPORT_BUDGET_RUN_SECONDS: '10',
      SALLYPORT_BUDGET_USER_RUNS_HOUR: '60',
    });
    expect(limits).toMatchObject({
      tenant: { usdMicros: { day: 250_000 } },
      user: { runs: { hour: 60 } },
      run: { modelCalls: { run: 3 }, seconds: { run: 10 } },
    });
  });

  test('are unlimited only where it is written', () => {
    expect(limitsOf({ SALLYPORT_BUDGET_USD_DAY: 'unlimited' })?.tenant).toEqual({ usdMicros: { day: 'unlimited' } });
    for (const value of ['Infinity', '-1', 'none', '0x10', '1e3', '1.1234567', '5 USD']) {
      expect(problemsOf({ SALLYPORT_BUDGET_USD_DAY: value })).toEqual([
        'SALLYPORT_BUDGET_USD_DAY: must be US dollars like 5 or 0.25, or unlimited',
      ]);
    }
    expect(problemsOf({ SALLYPORT_BUDGET_RUN_CALLS: '1.5' })).toEqual([
      'SALLYPORT_BUDGET_RUN_CALLS: must be a whole number or unlimited',
    ]);
  });

  test('of 0 are limits', () => {
    expect(limitsOf({ SALLYPORT_BUDGET_USD_DAY: '0' })?.tenant).toEqual({ usdMicros: { day: 0 } });
  });

  test('in a file say any scope, resource and window, over the standard ones', () => {
    const budget = {
      onExhausted: 'drop',
      tenant: { usd: { month: 100 } },
      conversation: { tokens: { hour: 'unlimited' } },
      run: { usd: { run: 0.5 }, seconds: { run: 5 } },
    };
    const config = load({}, { tenants: { default: { budget } }, budget: { global: { usd: { day: 50 } } } });
    expect(config.budget).toEqual({ global: { usdMicros: { day: 50_000_000 } } });
    expect(config.tenants.default?.budget).toMatchObject({
      onExhausted: 'drop',
      limits: {
        tenant: { usdMicros: { day: 5_000_000, month: 100_000_000 } },
        user: { runs: { hour: 5 } },
        conversation: { tokens: { hour: 'unlimited' } },
        run: { usdMicros: { run: 500_000 }, modelCalls: { run: 20 }, seconds: { run: 5 } },
      },
    });
  });

  test.each([
    [{ tenant: { usd: { week: 1 } } }, 'tenants.default.budget.tenant.usd.week: is not a setting'],
    [{ tenant: { usd: { run: 1 } } }, 'tenants.default.budget.tenant.usd.run: is not a setting'],
    [{ run: { runs: { run: 1 } } }, 'tenants.default.budget.run.runs: is not a setting'],
    [{ onExhausted: 'retry' }, 'tenants.default.budget.onExhausted: must be park or drop'],
  ])('that make no sense stop the start: %j', (budget, problem) => {
    expect(problemsOf({}, { tenants: { default: { budget } } })).toEqual([problem]);
  });

  test('alone are no channel', () => {
    const { SLACK_SIGNING_SECRET: _, ...keys } = sound;
    const loaded = loadConfig(undefined, { ...keys, SALLYPORT_BUDGET_USD_DAY: '1' }, 'all');
    expect(loaded).toMatchObject({ ok: false, problems: [expect.stringContaining('no channel is configured')] });
  });
});

describe('prices', () => {
  test('come from the environment in dollars per million tokens', () => {
    const { prices } = load({ LLM_PRICE_INPUT: '0.15', LLM_PRICE_OUTPUT: '0.60' });
    expect(prices).toEqual({ standard: { input: 0.15, output: 0.6 }, models: {} });
  });

  test('are both there or neither', () => {
    expect(load({}).prices).toEqual({ models: {} });
    expect(problemsOf({ LLM_PRICE_INPUT: '1' })).toEqual([
      'LLM_PRICE_OUTPUT: must be US dollars per million tokens, like 0.15',
    ]);
  });
});
