import type { Config } from '../config/schema.ts';
import type { BudgetPolicy } from '../workers/budget/policy.ts';

/** A tenant nobody configured may use nothing. */
const nothing: BudgetPolicy = { onExhausted: 'park', limits: { tenant: { usdMicros: { day: 0 }, runs: { day: 0 } } } };

/** What the configuration allows a tenant. */
export const configuredPolicy =
  ({ tenants, budget }: Config) =>
  (tenant: string): BudgetPolicy => {
    const { onExhausted, limits } = tenants[tenant]?.budget ?? nothing;
    return { onExhausted, limits: { ...limits, ...budget } };
  };
