import { type BudgetLimits, limitsOf, mergeBudgets, type ScopeKind } from '../core/budget.ts';
import type { ChannelName } from '../core/event.ts';
import { type AccountLimit, accountOf, type Ledger } from '../queue/ledger.ts';
import type { BudgetOverrides } from '../queue/records/budget-overrides.ts';
import type { BudgetFigures } from './store-gauges.ts';

/** Scopes whose accounts can be listed; people, conversations and runs have one each. */
const LISTED = ['global', 'tenant', 'channel'] as const;

/** What stands against the limits of money that hold for all tenants. @throws SallyportError ERR_STORE_UNAVAILABLE */
export async function budgetFigures({
  tenants,
  configured,
  overrides,
  channelsOf,
  ledger,
}: {
  readonly tenants: readonly string[];
  /** What the configuration allows a tenant. */
  readonly configured: (tenant: string) => BudgetLimits;
  readonly overrides: Pick<BudgetOverrides, 'read'>;
  readonly channelsOf: (tenant: string) => readonly ChannelName[];
  readonly ledger: Pick<Ledger, 'usage'>;
}): Promise<BudgetFigures> {
  const all = await Promise.all(
    tenants.map(async (tenant) => {
      const limits = mergeBudgets(configured(tenant), await overrides.read(tenant));
      return LISTED.flatMap((scope) =>
        limitsOf(limits[scope] ?? {})
          .filter(({ resource }) => resource === 'usdMicros')
          .flatMap((limit) =>
            accountsOf(scope, tenant, channelsOf(tenant)).map((account) => ({ scope, account, ...limit })),
          ),
      );
    }),
  );
  // Every tenant's limits name the one account of the whole installation.
  const limits = [...new Map(all.flat().map((limit) => [keyOf(limit), limit])).values()];
  const uses = limits.length === 0 ? [] : await ledger.usage(limits);
  const shares = new Map<string, BudgetFigures['shares'][number]>();
  const held = new Map<string, { readonly scope: ScopeKind; readonly micros: number }>();
  for (const [at, { scope, account, window, max }] of limits.entries()) {
    const { spent = 0, reserved = 0 } = uses[at] ?? {};
    // A reservation counts in each window of its account.
    const name = `${scope} ${account}`;
    held.set(name, { scope, micros: Math.max(reserved, held.get(name)?.micros ?? 0) });
    // Where nothing is allowed or everything is, there is no share.
    if (max === 'unlimited' || max === 0) continue;
    const share = { scope, window, spent: spent / max, reserved: reserved / max };
    const greatest = shares.get(`${scope} ${window}`);
    if (greatest === undefined || total(share) > total(greatest)) shares.set(`${scope} ${window}`, share);
  }
  const reserved = new Map<ScopeKind, number>();
  for (const { scope, micros } of held.values()) reserved.set(scope, (reserved.get(scope) ?? 0) + micros);
  return { reserved, shares: [...shares.values()] };
}

function accountsOf(scope: (typeof LISTED)[number], tenant: string, channels: readonly ChannelName[]): string[] {
  const spender = { tenant, channel: '', user: '', conversation: '', run: '' };
  if (scope !== 'channel') return [accountOf[scope](spender)];
  return channels.map((channel) => accountOf.channel({ ...spender, channel }));
}

const keyOf = ({ scope, account, window }: AccountLimit): string => `${scope} ${account} ${window}`;

const total = ({ spent, reserved }: { readonly spent: number; readonly reserved: number }): number => spent + reserved;
