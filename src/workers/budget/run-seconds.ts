import type { AccountLimit, Reservation } from '../../queue/ledger.ts';
import { BudgetExhausted } from './exhausted.ts';
import type { Purse } from './purse.ts';

interface RunClock {
  /** Settles what of the open slices was used. */
  stop(): Promise<void>;
}

interface Slice {
  readonly reservation: Reservation;
  /** In ms since the start of the run. */
  readonly from: number;
  readonly seconds: number;
}

/** Longest time before the end of a slice at which the next is reserved, in ms: a store that hangs is given up after 10 s. */
const AHEAD_MS = 10_000;

/**
 * Reserves a run's seconds slice by slice while it runs, `first` being what it began with. A worker that dies costs a
 * slice and not the whole run; a slice that was used up needs no settling, because what is not settled is spent.
 */
function startRunClock(
  first: Reservation,
  deps: {
    /** Reserves so many seconds. @throws when they may not be used */
    readonly reserve: (seconds: number) => Promise<Reservation>;
    readonly settle: (slice: Reservation, seconds: number) => Promise<void>;
    /** What was reserved is over and there is no more, for this reason. */
    readonly onOver: (why: unknown) => void;
    /** Seconds reserved at a time; near a limit it is one. */
    readonly sliceSeconds: number;
  },
): RunClock {
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;
  let seconds = deps.sliceSeconds;
  let slices: readonly Slice[] = [{ reservation: first, from: 0, seconds }];
  let endsAt = seconds * 1000;
  let isStopped = false;
  let timer = setTimeout(renew, renewIn());

  function renewIn(): number {
    return endsAt - elapsed() - Math.min(AHEAD_MS, seconds * 500);
  }

  function renew(): void {
    deps.reserve(seconds).then(extend, (error: unknown) => {
      if (isStopped) return;
      const isExact = seconds === 1;
      seconds = 1;
      timer = isExact ? setTimeout(() => deps.onOver(error), endsAt - elapsed()) : setTimeout(renew, renewIn());
    });
  }

  function extend(reservation: Reservation): void {
    const slice = { reservation, from: endsAt, seconds };
    if (isStopped) return void deps.settle(reservation, 0);
    const isTooLate = elapsed() > endsAt;
    slices = [...slices.filter((open) => open.from + open.seconds * 1000 > elapsed()), slice];
    endsAt += seconds * 1000;
    if (isTooLate) deps.onOver(undefined);
    else timer = setTimeout(renew, renewIn());
  }

  return {
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      const at = elapsed();
      await Promise.all(
        slices.map((slice) => {
          const used = Math.ceil((at - slice.from) / 1000);
          return deps.settle(slice.reservation, Math.min(slice.seconds, Math.max(0, used)));
        }),
      );
    },
  };
}

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
