import type { Reservation } from '../../queue/ledger.ts';

export interface RunClockDeps {
  /** Reserves so many seconds. @throws when they may not be used */
  readonly reserve: (seconds: number) => Promise<Reservation>;
  readonly settle: (slice: Reservation, seconds: number) => Promise<void>;
  /** What was reserved is over and there is no more, for this reason. */
  readonly onOver: (why: unknown) => void;
  /** Seconds reserved at a time; near a limit it is one. */
  readonly sliceSeconds: number;
}

export interface RunClock {
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
export const AHEAD_MS = 10_000;

/**
 * Reserves a run's seconds slice by slice while it runs, `first` being what it began with. A worker that dies costs a
 * slice and not the whole run; a slice that was used up needs no settling, because what is not settled is spent.
 */
export function startRunClock(first: Reservation, deps: RunClockDeps): RunClock {
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
