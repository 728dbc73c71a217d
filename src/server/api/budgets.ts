import { z } from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import { type BudgetLimits, limitsSchema, scopeKinds } from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import type { ChannelName } from '../../core/event.ts';
import type { JsonObject } from '../../core/json/json.ts';
import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../queue/ledger.ts';
import type { BudgetOverrides } from '../../queue/records/budget-overrides.ts';
import type { App } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import { budgetRows } from './budget-view.ts';
import { readJson } from './json-body.ts';

export interface BudgetRoutesDeps {
  readonly ledger: Ledger;
  readonly overrides: BudgetOverrides;
  readonly authorize: Authorize;
  /** What the configuration allows a tenant. */
  readonly configured: (tenant: string) => BudgetLimits;
  readonly channelsOf: (tenant: string) => readonly ChannelName[];
  /** Nobody else uses this installation, so what is everybody's is the tenant's. */
  readonly isAlone: (tenant: string) => boolean;
  readonly audit: RecordAudit;
  readonly logger: Logger;
}

const killBody = z.strictObject({ on: z.boolean() });

/** `/budgets`: what a tenant may use and has used, and its kill switch. Every call sees and changes only its own tenant. */
export const mountBudgets =
  (deps: BudgetRoutesDeps) =>
  (app: App): void => {
    const { ledger, overrides, authorize, isAlone, audit, logger } = deps;

    app.get('/budgets', async (c) => {
      const { tenant } = await authorize(c, 'budgets:read');
      return c.json(await view(tenant, deps));
    });
    app.post('/budgets/kill', async (c) => {
      const { tenant, subject: by } = await authorize(c, 'budgets:write');
      const { on } = await readJson(c, killBody);
      await ledger.kill(tenant, on);
      await audit(tenant, [{ actor: `user:${by}`, action: 'budget.kill', subject: tenant, data: { on } }]);
      logger.warn({ tenant, on }, 'kill-switch.turned');
      return c.json({ killed: on });
    });
    app.put('/budgets/:scope', async (c) => {
      const { tenant, subject: by } = await authorize(c, 'budgets:write');
      const scope = scopeKinds.find((kind) => kind === c.req.param('scope'));
      if (scope === undefined) throw new SallyportError('ERR_NOT_FOUND', 'no such scope');
      if (scope === 'global' && !isAlone(tenant)) throw new SallyportError('ERR_FORBIDDEN', 'it is not theirs alone');
      const limits = await readJson(c, limitsSchema(scope));
      await overrides.write(tenant, scope, limits);
      const data = { limits: JSON.parse(JSON.stringify(limits)) as JsonObject };
      await audit(tenant, [{ actor: `user:${by}`, action: 'budget.changed', subject: scope, data }]);
      logger.warn({ tenant, scope }, 'budget.changed');
      return c.json(await view(tenant, deps));
    });
  };

async function view(tenant: string, { ledger, overrides, configured, channelsOf, isAlone }: BudgetRoutesDeps) {
  const set = await overrides.read(tenant);
  const sources = { tenant, configured: configured(tenant), set, channels: channelsOf(tenant) };
  const [limits, killed] = await Promise.all([
    budgetRows({ ...sources, seesGlobal: isAlone(tenant) }, ledger),
    ledger.killed(),
  ]);
  return { tenant, killed: killed.has(tenant), limits };
}
