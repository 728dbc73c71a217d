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

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Lets time pass for the injected clock and for the real one: a store's server may let short-lived keys run out by its
 * own clock, which no test can move.
 */
export async function letPass(clock: FakeClock, ms: number): Promise<void> {
  clock.advance(ms);
  await sleep(ms);
}
