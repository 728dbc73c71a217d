import { type BudgetLimits, mergeBudgets } from '../../core/budget.ts';
import type { Clock } from '../../core/clock.ts';
import type { BudgetOverrides } from '../../queue/records/budget-overrides.ts';

export interface BudgetPolicy {
  readonly limits: BudgetLimits;
  /** What becomes of an event whose run was refused: kept for an operator, or ended. */
  readonly onExhausted: 'park' | 'drop';
}

/** @throws SallyportError ERR_STORE_UNAVAILABLE: what may be spent is not known then, so nothing is. */
export type PolicyOf = (tenant: string) => Promise<BudgetPolicy>;

/** How long what operators set may go unnoticed, in ms. A read for every run would double what a run asks of the store. */
const FRESH_MS = 1_000;

export interface PoliciesDeps {
  readonly configured: (tenant: string) => BudgetPolicy;
  readonly overrides: BudgetOverrides;
  readonly clock: Clock;
}

/** Policies as configured, with what operators have set laid over them. */
export function createPolicies({ configured, overrides, clock }: PoliciesDeps): PolicyOf {
  const known = new Map<string, { readonly readAt: number; readonly policy: Promise<BudgetPolicy> }>();
  const read = async (tenant: string): Promise<BudgetPolicy> => {
    const { limits, onExhausted } = configured(tenant);
    return { onExhausted, limits: mergeBudgets(limits, await overrides.read(tenant)) };
  };
  return (tenant) => {
    const now = clock();
    const last = known.get(tenant);
    if (last !== undefined && Math.abs(now - last.readAt) < FRESH_MS) return last.policy;
    const policy = read(tenant);
    known.set(tenant, { readAt: now, policy });
    policy.catch(() => known.delete(tenant));
    return policy;
  };
}
