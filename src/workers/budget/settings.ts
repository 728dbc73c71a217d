import { z } from 'zod';
import { type BudgetLimits, type Limits, type Max, mergeBudgets } from '../../core/budget.ts';

const TENANT = ['tenants', 'default', 'budget'] as const;

/** What a tenant may use unless it says otherwise. */
const standard: BudgetLimits = {
  tenant: { usdMicros: { day: 5_000_000 } },
  user: { runs: { hour: 5 } },
  run: { modelCalls: { run: 20 }, seconds: { run: 120 } },
};

/** A thousand million dollars, a million million of anything else: no limit that is meant is greater. */
const dollars = /^\d{1,9}(\.\d{1,6})?$/;
const count = /^\d{1,12}$/;

/** Numbers as text or as numbers. `unlimited` has to be written: there is no number for it. */
const orUnlimited = (form: RegExp, perUnit: number, expected: string) =>
  z
    .union([z.string(), z.number()], { error: expected })
    .transform((value, context): Max => {
      const text = String(value).trim();
      if (text === 'unlimited') return text;
      if (form.test(text)) return Math.round(Number(text) * perUnit);
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    })
    .optional();

export const usd = orUnlimited(dollars, 1e6, 'must be US dollars like 5 or 0.25, or unlimited');
const number = orUnlimited(count, 1, 'must be a whole number or unlimited');

const calendarOf = (max: typeof usd) => z.strictObject({ hour: max, day: max, month: max }).optional();
const runOf = (max: typeof usd) => z.strictObject({ run: max }).optional();

/** The setting speaks of dollars, everything behind it of micro-dollars. */
const inMicros = ({ usd: usdMicros, ...others }: { readonly usd?: Limits['usdMicros'] } & Limits): Limits =>
  usdMicros === undefined ? others : { usdMicros, ...others };

const calendarLimits = z
  .strictObject({
    usd: calendarOf(usd),
    tokens: calendarOf(number),
    modelCalls: calendarOf(number),
    toolCalls: calendarOf(number),
    runs: calendarOf(number),
    seconds: calendarOf(number),
  })
  .transform(inMicros)
  .optional();

const runLimits = z
  .strictObject({
    usd: runOf(usd),
    tokens: runOf(number),
    modelCalls: runOf(number),
    toolCalls: runOf(number),
    seconds: runOf(number),
  })
  .transform(inMicros)
  .optional();

/** What one run of an agent may use. Nothing named: what the tenant's runs may. */
export const agentBudgetSchema = z
  .strictObject({ usd, tokens: number, calls: number, toolCalls: number, seconds: number })
  .transform(({ usd: usdMicros, tokens, calls: modelCalls, toolCalls, seconds }): Limits => {
    const given = Object.entries({ usdMicros, tokens, modelCalls, toolCalls, seconds });
    return Object.fromEntries(given.filter(([, max]) => max !== undefined).map(([name, max]) => [name, { run: max }]));
  })
  .prefault({});

/** A tenant's limits by scope, resource and window, laid over the standard ones. */
export const tenantBudgetSchema = z
  .strictObject({
    /** What becomes of an event whose run was refused. */
    onExhausted: z.enum(['park', 'drop'], { error: 'must be park or drop' }).default('park'),
    tenant: calendarLimits,
    channel: calendarLimits,
    user: calendarLimits,
    conversation: calendarLimits,
    run: runLimits,
  })
  .transform(({ onExhausted, ...limits }) => ({ onExhausted, limits: mergeBudgets(standard, limits) }))
  .prefault({});

/** Limits of all tenants together. */
export const globalBudgetSchema = z.strictObject({ global: calendarLimits }).prefault({});

const listPrice = z
  .union([z.string(), z.number()], { error: 'must be US dollars per million tokens, like 0.15' })
  .transform((value, context) => {
    const text = String(value).trim();
    if (dollars.test(text)) return Number(text);
    context.addIssue({ code: 'custom', message: 'must be US dollars per million tokens, like 0.15' });
    return z.NEVER;
  });
const price = z.strictObject({ input: listPrice, output: listPrice });

/** What models cost. A model with neither price is looked up in the bundled list, and refused when it is not there. */
export const pricesSchema = z
  .strictObject({
    /** For every model without a price of its own. */
    standard: price.optional(),
    /** By the name the endpoint knows the model under. */
    models: z.record(z.string().min(1), price).default({}),
  })
  .prefault({});

export const budgetEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_BUDGET_USD_DAY: [...TENANT, 'tenant', 'usd', 'day'],
  SALLYPORT_BUDGET_RUN_CALLS: [...TENANT, 'run', 'modelCalls', 'run'],
  SALLYPORT_BUDGET_RUN_SECONDS: [...TENANT, 'run', 'seconds', 'run'],
  SALLYPORT_BUDGET_USER_RUNS_HOUR: [...TENANT, 'user', 'runs', 'hour'],
  LLM_PRICE_INPUT: ['prices', 'standard', 'input'],
  LLM_PRICE_OUTPUT: ['prices', 'standard', 'output'],
};
