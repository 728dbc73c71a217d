import { createHash } from 'node:crypto';
import type { BudgetLimits } from '../../src/core/budget.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { createBudgetOverrides } from '../../src/queue/records/budget-overrides.ts';
import type { Store } from '../../src/queue/store.ts';
import { type BudgetPolicy, createPolicies } from '../../src/workers/budget/budget.ts';
import { createPrices } from '../../src/workers/budget/prices.ts';
import {
  createRunBudget,
  type KillWatch,
  type OpenBudget,
  type Spending,
  watchKills,
} from '../../src/workers/budget/run-budget.ts';

export interface BudgetOptions extends Partial<Omit<Parameters<typeof createRunBudget>[1], 'ledger' | 'policyOf'>> {
  /** Absent: counted, and limited by nothing. */
  readonly limits?: BudgetLimits;
  readonly onExhausted?: BudgetPolicy['onExhausted'];
  readonly clock?: () => number;
  /** Looks for kill switches this often; absent: only reserving finds them. */
  readonly killEveryMs?: number;
}

/** Counted, and limited by nothing. */
export const countedOnly: BudgetLimits = { tenant: { usdMicros: { day: 'unlimited' } } };

const noKills: KillWatch = { onKill: () => () => {}, close() {} };

/** What a worker opens budgets with, over a store of a test. A model costs a dollar per million tokens in, two out. */
export function budgetsOver(store: Store, options: BudgetOptions = {}): (spending: Spending) => Promise<OpenBudget> {
  const { limits = countedOnly, onExhausted = 'park', clock = Date.now, killEveryMs, ...overrides } = options;
  const deps: Parameters<typeof createRunBudget>[1] = {
    ledger: store.ledger,
    policyOf: createPolicies({
      configured: () => ({ limits, onExhausted }),
      overrides: createBudgetOverrides(store.records),
      clock,
    }),
    priceOf: createPrices({ standard: { input: 1, output: 2 }, models: {} }),
    kills: killEveryMs === undefined ? noKills : watchKills(store.ledger, silentLogger, killEveryMs),
    digest: (label, parts) =>
      createHash('sha256')
        .update(JSON.stringify([label, parts]))
        .digest('base64url')
        .slice(0, 22),
    meter: silentMeter,
    logger: silentLogger,
    patienceMs: 0,
    callMs: 60_000,
    ...overrides,
  };
  return (spending) => createRunBudget(spending, deps);
}
