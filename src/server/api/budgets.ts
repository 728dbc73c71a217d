import { z } from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import {
  type BudgetLimits,
  limitsOf,
  limitsSchema,
  mergeBudgets,
  type ScopeKind,
  scopeKinds,
} from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import type { ChannelName } from '../../core/event.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import { type AccountLimit, accountOf, type Ledger } from '../../queue/ledger.ts';
import type { BudgetOverrides } from '../../queue/records/budget-overrides.ts';
import type { App } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import { readJson } from './request.ts';

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
      await audit(tenant, [{ actor: `user:${by}`, action: 'budget.kill', subject: tenant, data: { on } }]);
      await ledger.kill(tenant, on);
      logger.warn({ tenant, on }, 'kill-switch.turned');
      return c.json({ killed: on });
    });
    app.put('/budgets/:scope', async (c) => {
      const { tenant, subject: by } = await authorize(c, 'budgets:write');
      const scope = scopeKinds.find((kind) => kind === c.req.param('scope'));
      if (scope === undefined) throw new SallyportError('ERR_NOT_FOUND', 'no such scope');
      if (scope === 'global' && !isAlone(tenant)) throw new SallyportError('ERR_FORBIDDEN', 'it is not theirs alone');
      const limits = await readJson(c, limitsSchema(scope));
      const data = { limits: JSON.parse(JSON.stringify(limits)) as JsonObject };
      await audit(tenant, [{ actor: `user:${by}`, action: 'budget.changed', subject: scope, data }]);
      await overrides.write(tenant, scope, limits);
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

interface BudgetSources {
  readonly tenant: string;
  /** What the configuration says. */
  readonly configured: BudgetLimits;
  /** What operators have set over it. */
  readonly set: BudgetLimits;
  /** Channels of the tenant, each of which has an account. */
  readonly channels: readonly ChannelName[];
  /** The caller may see what all tenants together have used. */
  readonly seesGlobal: boolean;
}

/** Every limit that holds for the tenant; with what stands against it where it has one account and not one for each person. */
async function budgetRows(sources: BudgetSources, ledger: Ledger) {
  const rows = rowsOf(sources);
  const counted = rows.filter(({ account }) => account !== null);
  const uses = await ledger.usage(counted as readonly AccountLimit[]);
  return rows.map((row) => {
    const { account: _, ...shown } = row;
    const use = uses[counted.indexOf(row)];
    if (use === undefined) return shown;
    const resetsAt = use.resetsAt === null ? null : new Date(use.resetsAt).toISOString();
    return { ...shown, spent: use.spent, reserved: use.reserved, resetsAt };
  });
}

interface Row extends Omit<AccountLimit, 'account'> {
  readonly setBy: 'configuration' | 'operator';
  readonly channel?: ChannelName;
  readonly account: string | null;
}

function rowsOf({ tenant, configured, set, channels, seesGlobal }: BudgetSources): Row[] {
  const all = mergeBudgets(configured, set);
  const none = { tenant, channel: '', user: '', conversation: '', run: '' };
  const accounts: { [S in ScopeKind]?: readonly { account: string; channel?: ChannelName }[] } = {
    ...(seesGlobal ? { global: [{ account: accountOf.global(none) }] } : {}),
    tenant: [{ account: accountOf.tenant(none) }],
    channel: channels.map((channel) => ({ channel, account: accountOf.channel({ ...none, channel }) })),
  };
  return scopeKinds.flatMap((scope) =>
    limitsOf(all[scope] ?? {}).flatMap((limit) => {
      const isSet = set[scope]?.[limit.resource]?.[limit.window] !== undefined;
      const setBy = isSet ? ('operator' as const) : ('configuration' as const);
      return (accounts[scope] ?? [{ account: null }]).map((whose) => ({ scope, ...limit, setBy, ...whose }));
    }),
  );
}
