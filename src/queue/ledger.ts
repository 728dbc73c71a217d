import {
  type Amounts,
  type BudgetLimits,
  type BudgetWindow,
  type Limit,
  limitsOf,
  resources,
  type ScopeKind,
  scopeKinds,
} from '../core/budget.ts';

/** A limit and whose it is. No two of one request share scope, account, resource and window. */
export interface AccountLimit extends Limit {
  readonly scope: ScopeKind;
  /** Names the scope's one member. It becomes part of keys, so people and conversations are digests here. */
  readonly account: string;
}

export interface ReserveRequest {
  /** Made by the caller and used once: the same request sent again after a lost answer reserves nothing more. */
  readonly id: string;
  /** Whose kill switch counts. */
  readonly tenant: string;
  /** The worst case. */
  readonly amounts: Amounts;
  /** Every limit that may stand against it; those of resources without an amount are passed over. */
  readonly limits: readonly AccountLimit[];
  /** A reservation that is not settled by then, in ms (at most a day), is spent in full. */
  readonly ttlMs: number;
  /** Whom to tell of a refusal, and which run would tell. */
  readonly tell?: { readonly listener: string; readonly teller: string };
}

export interface Reservation {
  readonly id: string;
  /** Limits it is counted against. With none there is nothing to settle. */
  readonly lines: number;
}

export interface Exhausted {
  readonly kind: 'exhausted';
  /** The limit that does not allow it. */
  readonly limit: AccountLimit;
  /** Epoch ms, the store's clock, at which its window ends; null for a run's. */
  readonly resetsAt: number | null;
  /** It would fit if the reservations of others were given back. */
  readonly mayFree: boolean;
  /** Nobody but `tell.teller` told `tell.listener` about this limit in this window. False without `tell`. */
  readonly isNews: boolean;
}

export type Reserved =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  | Exhausted
  | { readonly kind: 'killed' };

export interface Settled {
  /** Its time was over, so the worst case was spent and stays so; nothing was changed. */
  readonly isLate: boolean;
  /** Limits of which 80 % are spent, each once per window. */
  readonly warnings: readonly Pick<AccountLimit, 'scope' | 'resource' | 'window'>[];
}

export interface Use {
  /** Spent for good. */
  readonly spent: number;
  /** Reserved and neither settled nor over. */
  readonly reserved: number;
  readonly resetsAt: number | null;
}

/**
 * Counts what runs may use: spent and reserved together never exceed a limit. Windows are those of the UTC calendar by
 * the store's clock; a reservation belongs to the windows in which it was made. Every method may reject with
 * ERR_STORE_UNAVAILABLE: then nothing may be spent.
 */
export interface Ledger {
  /** Reserves under every limit or under none, in one atomic step. */
  reserve(request: ReserveRequest): Promise<Reserved>;
  /**
   * Replaces the worst case by what was used; a resource not named was used in full. More than was reserved is booked
   * as well, even over the limit: it is spent.
   */
  settle(reservation: Reservation, actual: Amounts): Promise<Settled>;
  /** What stands against each limit now. */
  usage(limits: readonly AccountLimit[]): Promise<readonly Use[]>;
  /** The tenant's kill switch: while it is on, nothing is reserved. */
  kill(tenant: string, on: boolean): Promise<void>;
  /**
   * Tenants whose kill switch is on. Also spends reservations whose time is over, a bounded number each time: every
   * worker asks this all the time.
   */
  killed(): Promise<ReadonlySet<string>>;
}

/** Share of a limit at which somebody should know. */
export const WARN_AT = 0.8;

/** The limits of a request that stand against an amount. */
export const linesOf = ({ limits, amounts }: ReserveRequest): readonly AccountLimit[] =>
  limits.filter(({ resource }) => (amounts[resource] ?? 0) > 0);

/** The amounts that can be booked. What a vendor reports may be anything; what is left out counts as used in full. */
export function amountsIn(reported: Amounts): Amounts {
  const known = resources.filter(
    (resource) => Number.isSafeInteger(reported[resource]) && Number(reported[resource]) >= 0,
  );
  return Object.fromEntries(known.map((resource) => [resource, reported[resource]]));
}

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

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** The window of the UTC calendar that `now` is in, in epoch ms. A run's has neither start nor end. */
export function windowAt(
  window: BudgetWindow,
  now: number,
): { readonly start: number; readonly endsAt: number | null } {
  if (window === 'run') return { start: 0, endsAt: null };
  if (window === 'month') {
    const date = new Date(now);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return { start: Date.UTC(year, month), endsAt: Date.UTC(year, month + 1) };
  }
  const length = window === 'day' ? DAY_MS : HOUR_MS;
  const start = now - (now % length);
  return { start, endsAt: start + length };
}
