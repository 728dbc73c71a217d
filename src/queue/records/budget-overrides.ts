import { type BudgetLimits, type Limits, limitsSchema, type ScopeKind, scopeKinds } from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** Limits an operator has set while the system runs; they stand over the configured ones. */
export interface BudgetOverrides {
  /**
   * The tenant's, and those of the whole installation.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH: a limit that cannot be read must not open, so
   * nothing is spent
   */
  read(tenant: string): Promise<BudgetLimits>;
  /** Replaces all of a scope; nothing set means nothing stands over the configuration. */
  write(tenant: string, scope: ScopeKind, limits: Limits): Promise<void>;
}

/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';

const isScope = (name: string): name is ScopeKind => (scopeKinds as readonly string[]).includes(name);

export function createBudgetOverrides(records: Records): BudgetOverrides {
  const overrides = createCollection(records, 'budgets', (name) => limitsSchema(isScope(name) ? name : 'global'));
  return {
    async read(tenant) {
      const [own, global] = await Promise.all([overrides.list(tenant), overrides.get(SYSTEM, 'global')]);
      if (own.unreadable.some(isScope)) {
        throw new SallyportError('ERR_STORE_MISMATCH', 'budgets: a limit cannot be read; set it again');
      }
      const found: { [S in ScopeKind]?: Limits } = {};
      for (const scope of scopeKinds) {
        const limits = scope === 'global' ? global : own.records.get(scope);
        if (limits) found[scope] = limits;
      }
      return found;
    },
    write: (tenant, scope, limits) =>
      overrides.replace(scope === 'global' ? SYSTEM : tenant, scope, Object.keys(limits).length === 0 ? null : limits),
  };
}
