import type { FakeClock } from './clock.ts';

/** A calendar of things to do, for simulations in accelerated time. */
export interface Timeline {
  /** Plans something for that time (epoch ms), or for now when it has passed. */
  at(time: number, act: () => void | Promise<void>): void;
  after(ms: number, act: () => void | Promise<void>): void;
  /** Does everything that is due until then, moving the clock, and calls `settle` after each. */
  runUntil(end: number, settle: () => Promise<void>): Promise<void>;
}

interface Plan {
  readonly time: number;
  readonly act: () => void | Promise<void>;
}

export function createTimeline(clock: FakeClock): Timeline {
  const plans: Plan[] = [];
  const at: Timeline['at'] = (moment, act) => {
    // Clocks give whole milliseconds.
    const time = Math.round(moment);
    const place = plans.findLastIndex((other) => other.time <= time) + 1;
    plans.splice(place, 0, { time, act });
  };
  return {
    at,
    after: (ms, act) => at(clock.now() + ms, act),
    async runUntil(end, settle) {
      for (let next = plans[0]; next !== undefined && next.time <= end; next = plans[0]) {
        plans.shift();
        // What was done before may have taken time of its own.
        clock.advance(Math.max(0, next.time - clock.now()));
        await next.act();
        await settle();
      }
      clock.advance(Math.max(0, end - clock.now()));
    },
  };
}
