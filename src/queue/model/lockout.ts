import type { LockoutRule } from '../limits.ts';

/** What is remembered of a key that failed. Times are epoch milliseconds. */
export interface Lockout {
  /** In the current window. */
  readonly failures: number;
  readonly windowEnds: number;
  /** The last lockout was this one in a row, counted from 1; 0 before the first. */
  readonly step: number;
  /** End of the last lockout. */
  readonly until: number;
}

export const NO_LOCKOUT: Lockout = { failures: 0, windowEnds: 0, step: 0, until: 0 };

/** After one more failure, or `times` of them. Lua says the same in `lockout-fail.lua`. */
export function afterFailure(known: Lockout, rule: LockoutRule, now: number, times = 1): Lockout {
  if (now < known.until) return known;
  const isOpen = now < known.windowEnds;
  const failures = (isOpen ? known.failures : 0) + times;
  const windowEnds = isOpen ? known.windowEnds : now + rule.failures.windowMs;
  if (failures < rule.failures.count) return { ...known, failures, windowEnds };
  const forgiven = Math.floor((now - known.until) / rule.forgiveMs);
  const steps = Math.ceil(Math.log2(rule.longestMs / rule.firstMs)) + 1;
  const step = Math.min(Math.max(0, known.step - forgiven) + 1, steps);
  const until = now + Math.min(rule.firstMs * 2 ** (step - 1), rule.longestMs);
  return { failures: 0, windowEnds: 0, step, until };
}

/** When nothing that is remembered matters any longer. */
export const forgottenAt = ({ windowEnds, step, until }: Lockout, { forgiveMs }: LockoutRule): number =>
  Math.max(windowEnds, until + step * forgiveMs);
