import { limitsOf } from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Usage } from '../../core/event.ts';
import { accountOf, type Spender } from '../../queue/accounts.ts';
import type { AccountLimit } from '../../queue/ledger.ts';
import type { Held, RunBudget } from './budget.ts';
import { type Ending, endingOfPart } from './ending.ts';
import { holdCall } from './hold-call.ts';
import { readKeptHold } from './kept-hold.ts';
import type { PriceOf } from './prices.ts';
import type { Purse } from './purse.ts';

export interface SpendableDeps {
  readonly purse: Purse;
  readonly limits: readonly AccountLimit[];
  readonly spender: Spender;
  readonly ending: Ending;
  readonly priceOf: PriceOf;
  readonly callMs: number;
}

/** What an agent may use of a purse. */
export function spendable(deps: SpendableDeps): RunBudget {
  const { purse, limits, spender, ending, priceOf, callMs } = deps;
  const { signal } = ending;

  async function hold(worst: Partial<Usage>, forMs = callMs): Promise<Held> {
    if (signal.aborted) return ending.refuse();
    return purse.hold(worst, limits, forMs);
  }
  /** Whatever refuses ends the run, so that an agent cannot catch it and go on. */
  async function orStop<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof SallyportError) ending.stop(error);
      throw error;
    }
  }

  return {
    signal,
    get usage() {
      return purse.usage;
    },
    reserve: (worst, forMs) => orStop(hold(worst, forMs)),
    resume(value) {
      const kept = readKeptHold(value);
      return kept === null ? null : purse.resume(kept, limits);
    },
    reserveCall: (call) => orStop(holdCall(call, priceOf, hold)),
    slice(name, most) {
      const part = { ...spender, run: `${spender.run}/${name}` };
      const account = accountOf.run(part);
      const shares = Object.fromEntries(Object.entries(most).map(([resource, max]) => [resource, { run: max }]));
      const own = limitsOf(shares).map((limit) => ({ ...limit, scope: 'run' as const, account }));
      return spendable({ ...deps, limits: [...own, ...limits], spender: part, ending: endingOfPart(ending, account) });
    },
  };
}
