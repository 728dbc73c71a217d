import { createBudgetOverrides } from '../queue/records/budget-overrides.ts';
import { watchKills } from '../workers/budget/kill-watch.ts';
import { createPolicies } from '../workers/budget/policy.ts';
import { createRunBudget, type OpenBudget, type Spending } from '../workers/budget/run-budget.ts';
import { configuredPolicy } from './budget-policy.ts';
import { pricesOf } from './model.node.ts';
import type { Runtime } from './runtime.node.ts';

/** How long a run waits for money that others have reserved and may not need, in ms. */
const PATIENCE_MS = 10_000;
/** Longest call of a model. */
const CALL_MS = 10 * 60_000;

export interface Budgets {
  readonly open: (spending: Spending) => Promise<OpenBudget>;
  close(): void;
}

export function openBudgets({ config, store, metrics, identifier, log }: Runtime): Budgets {
  const kills = watchKills(store.ledger, log);
  const overrides = createBudgetOverrides(store.records);
  const deps = {
    ledger: store.ledger,
    policyOf: createPolicies({ configured: configuredPolicy(config), overrides, clock: Date.now }),
    priceOf: pricesOf(config),
    kills,
    digest: identifier.digest,
    meter: metrics.meter,
    logger: log,
    patienceMs: PATIENCE_MS,
    callMs: CALL_MS,
  };
  return { open: (spending) => createRunBudget(spending, deps), close: kills.close };
}
