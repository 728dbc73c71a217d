import * as z from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import {
  type BudgetLimits,
  budgetWindows,
  limitsOf,
  limitsSchema,
  maxSchema,
  mergeBudgets,
  resources,
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
import { type Endpoint, json } from './endpoint.ts';
import { count, instant } from './shapes.ts';

const killBody = z.strictObject({ on: z.boolean().describe('true: no call of a model or a tool is made any more') });

const limitShape = z.object({
  scope: z.enum(scopeKinds),
  resource: z.enum(resources),
  window: z.enum(budgetWindows),
  max: maxSchema,
  setBy: z.enum(['configuration', 'operator']),
  channel: z.string().optional(),
  spent: count.optional().describe('absent where each person, conversation or run has an account of its own'),
  reserved: count.optional(),
  resetsAt: instant.nullable().optional(),
});
const budgetsShape = z
  .object({ tenant: z.string(), killed: z.boolean(), limits: z.array(limitShape) })
  .meta({ id: 'Budgets', description: 'What a tenant may use and has used.' });

const scopeParams = z.object({ scope: z.enum(scopeKinds, { error: 'no such scope' }) });
const limitsBody = z
  .union([limitsSchema('tenant'), limitsSchema('run')])
  .describe('limits by resource and window; `run` is the only window of the scope `run`, and of no other');

/** `/budgets`: what a tenant may use and has used, and its kill switch. Every call sees and changes only its own tenant. */
export const mountBudgets =
  (deps: {
    readonly ledger: Ledger;
    readonly overrides: BudgetOverrides;
    readonly endpoint: Endpoint;
    /** What the configuration allows a tenant. */
    readonly configured: (tenant: string) => BudgetLimits;
    readonly channelsOf: (tenant: string) => readonly ChannelName[];
    /** Nobody else uses this installation, so what is everybody's is the tenant's. */
    readonly isAlone: (tenant: string) => boolean;
    readonly audit: RecordAudit;
    readonly logger: Logger;
  }) =>
  (app: App): void => {
    const { ledger, overrides, endpoint, isAlone, audit, logger } = deps;

    const show = {
      id: 'getBudgets',
      summary: 'Show limits and what was used of them',
      scope: 'budgets:read',
      answers: { 200: { description: 'every limit that holds for the tenant', body: budgetsShape } },
    } as const;
    app.get(
      '/budgets',
      endpoint(show, async ({ caller }) => json(200, await view(caller.tenant, deps))),
    );

    const kill = {
      id: 'setKillSwitch',
      summary: 'Turn the kill switch of the tenant',
      description: 'While it is on, no call of a model or a tool is made, in runs that are going on as well.',
      scope: 'budgets:write',
      body: killBody,
      answers: { 200: { description: 'turned', body: z.object({ killed: z.boolean() }) } },
    } as const;
    app.post(
      '/budgets/kill',
      endpoint(kill, async ({ caller: { tenant, subject: by }, body: { on } }) => {
        await audit(tenant, [{ actor: `user:${by}`, action: 'budget.kill', subject: tenant, data: { on } }]);
        await ledger.kill(tenant, on);
        logger.warn({ tenant, on }, 'kill-switch.turned');
        return json(200, { killed: on });
      }),
    );

    const change = {
      id: 'setLimits',
      summary: 'Replace the limits of a scope',
      description: 'They stand over those of the configuration; an empty object removes them.',
      scope: 'budgets:write',
      params: scopeParams,
      body: limitsBody,
      bodyFor: ({ scope }: z.output<typeof scopeParams>) => limitsSchema(scope),
      answers: { 200: { description: 'every limit as it is now', body: budgetsShape } },
      errors: ['ERR_FORBIDDEN'],
    } as const;
    app.put(
      '/budgets/:scope',
      endpoint(change, async ({ caller: { tenant, subject: by }, params: { scope }, body: limits }) => {
        if (scope === 'global' && !isAlone(tenant)) throw new SallyportError('ERR_FORBIDDEN', 'it is not theirs alone');
        const data = { limits: JSON.parse(JSON.stringify(limits)) as JsonObject };
        await audit(tenant, [{ actor: `user:${by}`, action: 'budget.changed', subject: scope, data }]);
        await overrides.write(tenant, scope, limits);
        logger.warn({ tenant, scope }, 'budget.changed');
        return json(200, await view(tenant, deps));
      }),
    );
  };

async function view(
  tenant: string,
  { ledger, overrides, configured, channelsOf, isAlone }: Parameters<typeof mountBudgets>[0],
): Promise<z.input<typeof budgetsShape>> {
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
    ...(seesGlobal && { global: [{ account: accountOf.global(none) }] }),
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
