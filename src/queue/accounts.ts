import { type BudgetLimits, limitsOf, type ScopeKind, scopeKinds } from '../core/budget.ts';
import type { AccountLimit } from './ledger.ts';

/** Whose spending it is. People and conversations are keyed digests: no account name says who they are. */
export interface Spender {
  readonly tenant: string;
  readonly channel: string;
  readonly user: string;
  readonly conversation: string;
  /** One generation of one event, and for a delegate the name of its part after it. */
  readonly run: string;
}

/** How each scope names the account of a spender. */
export const accountOf: { readonly [S in ScopeKind]: (spender: Spender) => string } = {
  global: () => 'all',
  tenant: ({ tenant }) => tenant,
  channel: ({ tenant, channel }) => `${tenant}/${channel}`,
  user: ({ tenant, user }) => `${tenant}/${user}`,
  conversation: ({ tenant, conversation }) => `${tenant}/${conversation}`,
  run: ({ tenant, run }) => `${tenant}/${run}`,
};

/** Every limit that stands against what the spender does, the narrowest scope first: its refusal says most. */
export const accountLimits = (limits: BudgetLimits, spender: Spender): AccountLimit[] =>
  [...scopeKinds]
    .reverse()
    .flatMap((scope) =>
      limitsOf(limits[scope] ?? {}).map((limit) => ({ ...limit, scope, account: accountOf[scope](spender) })),
    );
