/** A clock that moves only when a test says so. */
export interface FakeClock {
  readonly now: () => number;
  advance(ms: number): void;
}

/** Starts at a fixed instant, so that a failing test prints the same times on every run. */
export function createFakeClock(startAt = 1_900_000_000_000): FakeClock {
  let at = startAt;
  return {
    now: () => at,
    advance: (ms) => {
      at += ms;
    },
  };
}

/**
 * How long a test waits for what other processes and timers bring about (ms). It only ends tests whose condition is never
 * met: on a machine with ten times more work than cores, a process takes ten seconds to start. It is less than the 60 s
 * after which every conversation is looked at again, so that this does not pass for the wake a test waits for.
 */
export const PATIENCE_MS = 50_000;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Lets time pass for the injected clock and for the real one: a store's server may let short-lived keys run out by its
 * own clock, which no test can move.
 */
export async function letPass(clock: FakeClock, ms: number): Promise<void> {
  clock.advance(ms);
  await sleep(ms);
}
