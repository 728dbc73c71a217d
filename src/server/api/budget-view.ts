import { type BudgetLimits, limitsOf, mergeBudgets, type ScopeKind, scopeKinds } from '../../core/budget.ts';
import type { ChannelName } from '../../core/event.ts';
import { accountOf } from '../../queue/accounts.ts';
import type { AccountLimit, Ledger } from '../../queue/ledger.ts';

export interface BudgetSources {
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
export async function budgetRows(sources: BudgetSources, ledger: Ledger) {
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
