import type { Config } from '../config/schema.ts';
import type { ReviewPolicy } from '../core/review.ts';
import type { BudgetPolicy } from '../workers/budget/budget.ts';
import type { ReviewDeps } from '../workers/review/hold-reply.ts';
import type { Runtime } from './runtime.node.ts';

/** A tenant nobody configured may use nothing. */
const nothing: BudgetPolicy = { onExhausted: 'park', limits: { tenant: { usdMicros: { day: 0 }, runs: { day: 0 } } } };

/** What the configuration allows a tenant. */
export const configuredPolicy =
  ({ tenants, budget }: Config) =>
  (tenant: string): BudgetPolicy => {
    const { onExhausted, limits } = tenants[tenant]?.budget ?? nothing;
    return { onExhausted, limits: { ...limits, ...budget } };
  };

/** A tenant nobody configured says nothing that nobody has seen, and nobody is there to see it. */
const nobody: ReviewPolicy = { replies: 'always', expires: 1, approvers: [] };

/** Which replies of a tenant wait for a person. */
export const configuredReview =
  ({ tenants }: Config) =>
  (tenant: string): ReviewPolicy =>
    tenants[tenant]?.review ?? nobody;

/** What holding a reply takes. */
export const reviewing = ({ config, identifier }: Runtime): Pick<ReviewDeps, 'identifier' | 'reviewPolicy'> => ({
  identifier,
  reviewPolicy: configuredReview(config),
});
