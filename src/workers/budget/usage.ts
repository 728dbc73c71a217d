import type { Amounts } from '../../core/budget.ts';
import type { Usage } from '../../core/event.ts';

/** What a ledger counts of a usage. */
export const amountsOf = ({ inputTokens, outputTokens, usdMicros, modelCalls, toolCalls }: Usage): Amounts => ({
  usdMicros,
  tokens: inputTokens + outputTokens,
  modelCalls,
  toolCalls,
});

/** Without the figures that cannot be: what others report may be anything. */
export const sensible = (reported: Partial<Usage>): Partial<Usage> =>
  Object.fromEntries(Object.entries(reported).filter(([, value]) => Number.isSafeInteger(value) && value >= 0));

const combine =
  (by: (a: number, b: number) => number) =>
  (a: Usage, b: Usage): Usage => ({
    usdMicros: by(a.usdMicros, b.usdMicros),
    inputTokens: by(a.inputTokens, b.inputTokens),
    outputTokens: by(a.outputTokens, b.outputTokens),
    modelCalls: by(a.modelCalls, b.modelCalls),
    toolCalls: by(a.toolCalls, b.toolCalls),
  });

export const addUsage = combine((a, b) => a + b);
/** The greater of both, figure by figure. */
export const atLeast = combine(Math.max);
/** The lesser of both: what somebody reports, bounded by what was reserved. */
export const atMost = combine(Math.min);
