import * as z from 'zod';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** Which policy a tenant's guardrails follow, as a number that everything remembered of an earlier one does not have. */
export interface PolicyVersions {
  /** 0 until somebody has said that it changed. */
  current(tenant: string): Promise<number>;
  /** What was decided so far holds no more. */
  renew(tenant: string): Promise<void>;
}

const [COLLECTION, NAME] = ['guardrails', 'policy'];

export function createPolicyVersions(records: Records): PolicyVersions {
  const policies = createCollection(records, COLLECTION, z.object({}));
  return {
    // The record says nothing but that it was written: the store never gives a revision twice.
    current: async (tenant) => (await records.get(tenant, COLLECTION, NAME))?.revision ?? 0,
    renew: (tenant) => policies.replace(tenant, NAME, {}),
  };
}
