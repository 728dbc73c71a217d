import { type Amounts, type BudgetLimits, mergeBudgets } from '../../core/budget.ts';
import type { Clock } from '../../core/clock.ts';
import type { Usage } from '../../core/event.ts';
import type { JsonValue } from '../../core/json/json-text.ts';
import type { BudgetOverrides } from '../../queue/records/budget-overrides.ts';

/** A call of a model that is about to be made. */
export interface ModelCall {
  readonly model: string;
  /** Whose model it is, as the AI SDK names its providers (`anthropic.messages`); absent: that of the configured endpoint. */
  readonly provider?: string;
  /** Everything that is sent, as text: instructions, messages, schemas of tools. */
  readonly input: string;
  /** Tokens of what is sent besides text, at most. */
  readonly attachedTokens?: number;
  /** The call must be made with this limit, or with that of the `HeldCall` where `minOutputTokens` is given. */
  readonly maxOutputTokens: number;
  /** What the budget cannot pay in full may be reserved with a lower limit, down to this one. Absent: in full or not at all. */
  readonly minOutputTokens?: number;
}

export interface HeldCall {
  /** The limit that was reserved, with which the call must be made. */
  readonly maxOutputTokens: number;
  /**
   * Says what the vendor reported. Nothing reported: the worst case. More than the worst case stops the run. Only the
   * first word counts. Never throws: when the ledger is away the worst case stays.
   */
  settle(use?: TokenUse): Promise<void>;
  /** It was certainly not served: money and tokens are given back in full, and it counts as a call. */
  refused(): Promise<void>;
}

/** What was reserved for something that is about to happen. */
export interface Held {
  readonly worst: Usage;
  /** As `HeldCall.settle`; a figure that is not named was used in full. */
  settle(actual: Partial<Usage>): Promise<void>;
  /**
   * Leaves it reserved beyond the end of this attempt, for what is answered later. A later attempt of the run takes it up
   * with `RunBudget.resume`; nobody does before its time is over: the worst case is spent. What comes back is for the
   * journal.
   */
  keep(): JsonValue;
}

/**
 * What a run may use. Whatever costs something is reserved before it happens and settled after. A refusal ends the run:
 * `signal` is aborted with the reason, and every later call here throws it.
 */
export interface RunBudget {
  /** Aborted by a refusal, the kill switch, the end of the run's seconds, and the end of the run. */
  readonly signal: AbortSignal;
  /** What was settled so far, parts given to delegates included. */
  readonly usage: Usage;
  /** @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_PRICE_UNKNOWN, ERR_KILLED, ERR_STORE_UNAVAILABLE */
  reserveCall(call: ModelCall): Promise<HeldCall>;
  /**
   * For what is not a model call: a tool call, the whole run of an `http` agent. Not settled within `forMs` (a day at
   * most; absent: the longest call), it is spent. @throws as `reserveCall`
   */
  reserve(worst: Partial<Usage>, forMs?: number): Promise<Held>;
  /** Takes up what an earlier attempt of this run kept. Null for what no `Held.keep` gave. */
  resume(kept: JsonValue): Held | null;
  /**
   * A part for a delegate: what it uses counts against all of this and against `most` as well. When only `most` is used
   * up, only the part is stopped. `name` is the part's own within the run, the same on every attempt.
   */
  slice(name: string, most: Omit<Amounts, 'runs' | 'seconds'>): RunBudget;
}

export interface BudgetPolicy {
  readonly limits: BudgetLimits;
  /** What becomes of an event whose run was refused: kept for an operator, or ended. */
  readonly onExhausted: 'park' | 'drop';
}

/** @throws SallyportError ERR_STORE_UNAVAILABLE: what may be spent is not known then, so nothing is. */
export type PolicyOf = (tenant: string) => Promise<BudgetPolicy>;

/** How long what operators set may go unnoticed, in ms. A read for every run would double what a run asks of the store. */
const FRESH_MS = 1_000;

/** Policies as configured, with what operators have set laid over them. */
export function createPolicies({
  configured,
  overrides,
  clock,
}: {
  readonly configured: (tenant: string) => BudgetPolicy;
  readonly overrides: BudgetOverrides;
  readonly clock: Clock;
}): PolicyOf {
  const known = new Map<string, { readonly readAt: number; readonly policy: Promise<BudgetPolicy> }>();
  const read = async (tenant: string): Promise<BudgetPolicy> => {
    const { limits, onExhausted } = configured(tenant);
    return { onExhausted, limits: mergeBudgets(limits, await overrides.read(tenant)) };
  };
  return (tenant) => {
    const now = clock();
    const last = known.get(tenant);
    if (last !== undefined && Math.abs(now - last.readAt) < FRESH_MS) return last.policy;
    const policy = read(tenant);
    known.set(tenant, { readAt: now, policy });
    policy.catch(() => known.delete(tenant));
    return policy;
  };
}

/** Tokens of a call. Cache figures are parts of `input`. */
export interface TokenUse {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
}

/** What a model costs, in micro-dollars, rounded up. */
export interface Price {
  /** Null when the figures make no sense (more cached than there was): then the worst case stands. */
  cost(use: TokenUse): number | null;
  /** The most that a call of up to so many tokens may cost. */
  worst(input: number, output: number): number;
}

/** Up to a whole micro-dollar; what only binary fractions added (3 × 0.1) does not count as one more. */
export const roundUp = (micros: number): number => Math.ceil(Number(micros.toFixed(6)));
