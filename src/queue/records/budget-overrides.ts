import { type BudgetLimits, type Limits, limitsSchema, type ScopeKind, scopeKinds } from '../../core/budget.ts';
import type { Records } from '../records.ts';

/** Limits an operator has set while the system runs; they stand over the configured ones. */
export interface BudgetOverrides {
  /** The tenant's, and those of the whole installation. */
  read(tenant: string): Promise<BudgetLimits>;
  /** Replaces all of a scope; nothing set means nothing stands over the configuration. */
  write(tenant: string, scope: ScopeKind, limits: Limits): Promise<void>;
}

const COLLECTION = 'budgets';
/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';

export function createBudgetOverrides(records: Records): BudgetOverrides {
  const ownerOf = (tenant: string, scope: ScopeKind): string => (scope === 'global' ? SYSTEM : tenant);
  return {
    async read(tenant) {
      const [own, global] = await Promise.all([
        records.list(tenant, COLLECTION),
        records.get(SYSTEM, COLLECTION, 'global'),
      ]);
      const found: { [S in ScopeKind]?: Limits } = {};
      for (const scope of scopeKinds) {
        const stored = scope === 'global' ? global : own.get(scope);
        // What cannot be read must not open a limit: it throws, and nothing is spent.
        if (stored) found[scope] = limitsSchema(scope).parse(stored.value);
      }
      return found;
    },
    async write(tenant, scope, limits) {
      const owner = ownerOf(tenant, scope);
      const value = Object.keys(limits).length === 0 ? null : JSON.parse(JSON.stringify(limits));
      for (;;) {
        const revision = (await records.get(owner, COLLECTION, scope))?.revision ?? 0;
        if (revision === 0 && value === null) return;
        if (await records.compareAndSet(owner, COLLECTION, scope, revision, value)) return;
      }
    },
  };
}
