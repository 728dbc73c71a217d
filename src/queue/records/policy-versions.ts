import type { Records } from '../records.ts';

/** Which policy a tenant's guardrails follow, as a number that everything remembered of an earlier one does not have. */
export interface PolicyVersions {
  /** 0 until somebody has said that it changed. */
  current(tenant: string): Promise<number>;
  /** What was decided so far holds no more. */
  renew(tenant: string): Promise<void>;
}

const [COLLECTION, NAME] = ['guardrails', 'policy'];

export function createPolicyVersions(records: Records): PolicyVersions {
  const current = async (tenant: string): Promise<number> =>
    (await records.get(tenant, COLLECTION, NAME))?.revision ?? 0;
  return {
    current,
    async renew(tenant) {
      // Whoever is quicker has renewed it as well; the store never gives a revision twice.
      await records.compareAndSet(tenant, COLLECTION, NAME, await current(tenant), {});
    },
  };
}
