import type { Config } from '../config/schema.ts';
import type { ReviewPolicy } from '../core/review.ts';

/** A tenant nobody configured says nothing that nobody has seen, and nobody is there to see it. */
const nobody: ReviewPolicy = { replies: 'always', expires: 1, approvers: [] };

/** Which replies of a tenant wait for a person. */
export const configuredReview =
  ({ tenants }: Config) =>
  (tenant: string): ReviewPolicy =>
    tenants[tenant]?.review ?? nobody;
