import type { AccountLimit, Reservation } from '../../queue/ledger.ts';
import { BudgetExhausted } from './exhausted.ts';
import type { Purse } from './purse.ts';
import { AHEAD_MS, type RunClock, startRunClock } from './run-clock.ts';

export interface RunStart {
  readonly purse: Purse;
  readonly limits: readonly AccountLimit[];
  /** The run's own account. */
  readonly account: string;
  /** It is not counted among the runs of anybody. */
  readonly isFree: boolean;
  readonly onOver: (why: unknown) => void;
}

/** Parts of the tightest limit that are reserved at a time: what a worker that dies costs its run. */
const PARTS = 8;
/** Where nothing limits seconds, in seconds. */
const LONGEST = 60;

/** Counts the run and starts its clock. @throws BudgetExhausted and whatever else `Purse.reserve` throws */
export async function startRun({ purse, limits, account, isFree, onOver }: RunStart): Promise<RunClock> {
  const others = limits.filter(({ scope, resource }) => scope !== 'run' || resource !== 'runs');
  // First of all, so that a second attempt learns that its run is counted before it learns that no more would be.
  const once: AccountLimit = { scope: 'run', account, resource: 'runs', window: 'run', max: 1 };

  async function begin(seconds: number, runs: number): Promise<{ first: Reservation; seconds: number }> {
    try {
      return { first: await purse.reserve({ seconds, runs }, [once, ...others], lifeMs(seconds)), seconds };
    } catch (error) {
      const refused = error instanceof BudgetExhausted ? error.refusal.limit : null;
      if (refused?.scope === 'run' && refused.resource === 'runs') return begin(seconds, 0);
      if (refused?.resource === 'seconds' && seconds > 1) return begin(1, runs);
      throw error;
    }
  }

  const { first, seconds: sliceSeconds } = await begin(sliceOf(limits), isFree ? 0 : 1);
  return startRunClock(first, {
    sliceSeconds,
    onOver,
    reserve: (seconds) => purse.reserve({ seconds }, others, lifeMs(seconds)),
    settle: async (slice, seconds) => void (await purse.settle(slice, { seconds })),
  });
}

/** Until a slice that was reserved early has passed, and a little for the settling. */
const lifeMs = (seconds: number): number => seconds * 1000 + AHEAD_MS + 5_000;

function sliceOf(limits: readonly AccountLimit[]): number {
  const caps = limits.flatMap(({ resource, max }) => (resource === 'seconds' && max !== 'unlimited' ? [max] : []));
  return Math.max(1, Math.min(LONGEST, Math.floor(Math.min(...caps) / PARTS)));
}
