import * as z from 'zod';
import { type BudgetLimits, type Limits, type Max, mergeBudgets } from '../../core/budget.ts';
import { setting } from '../../core/setting.ts';

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

/** Limits of an hour, a day and a month; `own` stands in for limits that have variables. */
const calendarLimits = (own: { readonly usdPerDay?: typeof usd; readonly runsPerHour?: typeof number } = {}) =>
  z
    .strictObject({
      usd: z.strictObject({ hour: usd, day: own.usdPerDay ?? usd, month: usd }).optional(),
      tokens: calendarOf(number),
      modelCalls: calendarOf(number),
      toolCalls: calendarOf(number),
      runs: z.strictObject({ hour: own.runsPerHour ?? number, day: number, month: number }).optional(),
      seconds: calendarOf(number),
    })
    .transform(inMicros)
    .optional();

const runLimits = z
  .strictObject({
    usd: runOf(usd),
    tokens: runOf(number),
    modelCalls: runOf(
      setting(number, {
        env: 'SALLYPORT_BUDGET_RUN_CALLS',
        description: 'calls of a model in one run',
        default: '20',
      }),
    ),
    toolCalls: runOf(number),
    seconds: runOf(
      setting(number, {
        env: 'SALLYPORT_BUDGET_RUN_SECONDS',
        description: 'seconds of one run, all its attempts together',
        default: '120',
      }),
    ),
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
    onExhausted: setting(z.enum(['park', 'drop'], { error: 'must be park or drop' }).default('park'), {
      description: 'what becomes of an event whose run was refused: `park` or `drop`',
    }),
    tenant: setting(
      calendarLimits({
        usdPerDay: setting(usd, {
          env: 'SALLYPORT_BUDGET_USD_DAY',
          description: 'US dollars a day',
          default: '5',
        }),
      }),
      {
        description:
          'limits of the tenant: `usd`, `tokens`, `modelCalls`, `toolCalls`, `runs` and `seconds` by `hour`, `day` or `month`',
      },
    ),
    channel: setting(calendarLimits(), { description: 'the same for each of its channels' }),
    user: setting(
      calendarLimits({
        runsPerHour: setting(number, {
          env: 'SALLYPORT_BUDGET_USER_RUNS_HOUR',
          description: 'runs of one user in an hour',
          default: '5, in `dev` 60',
        }),
      }),
      { description: 'the same for each user' },
    ),
    conversation: setting(calendarLimits(), { description: 'the same for each conversation' }),
    run: setting(runLimits, {
      description: 'limits of one run: `usd`, `tokens`, `modelCalls`, `toolCalls` and `seconds`, each by `run`',
    }),
  })
  .transform(({ onExhausted, ...limits }) => ({ onExhausted, limits: mergeBudgets(standard, limits) }))
  .prefault({});

/** Limits of all tenants together. */
export const globalBudgetSchema = z
  .strictObject({
    global: setting(calendarLimits(), { description: 'limits of all tenants together, as those of a tenant' }),
  })
  .prefault({});

const listPrice = z
  .union([z.string(), z.number()], { error: 'must be US dollars per million tokens, like 0.15' })
  .transform((value, context) => {
    const text = String(value).trim();
    if (dollars.test(text)) return Number(text);
    context.addIssue({ code: 'custom', message: 'must be US dollars per million tokens, like 0.15' });
    return z.NEVER;
  });
const price = z.strictObject({ input: listPrice, output: listPrice });

const standardPrice = z.strictObject({
  input: setting(listPrice, {
    env: 'LLM_PRICE_INPUT',
    description: 'US dollars per million input tokens; both prices or neither',
    default: 'the bundled price list',
  }),
  output: setting(listPrice, {
    env: 'LLM_PRICE_OUTPUT',
    description: 'US dollars per million output tokens',
    default: 'the bundled price list',
  }),
});

/** What models cost. A model with neither price is looked up in the bundled list, and refused when it is not there. */
export const pricesSchema = z
  .strictObject({
    /** For every model without a price of its own. */
    standard: standardPrice.optional(),
    models: setting(z.record(z.string().min(1), price).default({}), {
      description: '`{ input, output }` by the name the endpoint knows the model under',
      default: 'none',
    }),
  })
  .prefault({});
