import type { Clock } from '../../core/clock.ts';
import { type Limits, type LockoutRule, MAX_LIMIT_KEYS } from '../../queue/limits.ts';
import { later } from './later.ts';

/** Locks out keys whose attempts fail, over all processes, at a bounded cost for the store. */
export interface Lockouts {
  /** For how many more milliseconds the key is locked out; 0 if it is not. @throws SallyportError ERR_STORE_UNAVAILABLE */
  lockedFor(key: string): Promise<number>;
  /** Counts a failure of the key. @throws SallyportError ERR_STORE_UNAVAILABLE */
  fail(key: string, rule: LockoutRule): Promise<void>;
}

/**
 * Failures of a second that are written when they happen: more than people with wrong tokens cause, so that lockouts are
 * exact in any ordinary second. More of them are added up and written once a second.
 */
const AT_ONCE = 100;
const FLUSH_MS = 1_000;
/** Keys that are written in one such write, those with the most failures first. The others stay for the next ones. */
const MOST_A_FLUSH = 200;
/** Keys that are remembered of either kind; about 2 MB. */
const MAX_KEYS = MAX_LIMIT_KEYS;

/** Failures that the store has not been told of. */
interface Untold {
  readonly rule: LockoutRule;
  readonly times: number;
  /** Epoch ms of the first of them. */
  readonly since: number;
}

export function createLockouts(limits: Pick<Limits, 'lockedFor' | 'fail'>, clock: Clock): Lockouts {
  /** Ends of lockouts, in epoch ms. Nothing shortens a lockout, so the store need not be asked again before. */
  const locked = new Map<string, number>();
  const untold = new Map<string, Untold>();
  let second = 0;
  let written = 0;
  let isFlushing = false;

  /** The failures of a key that still count; the store is told of them now. */
  function takeUntold(key: string): Untold | undefined {
    const found = untold.get(key);
    untold.delete(key);
    return found !== undefined && clock() - found.since < found.rule.failures.windowMs ? found : undefined;
  }

  function add(key: string, rule: LockoutRule, times: number, since: number): void {
    const before = takeUntold(key);
    if (untold.size >= MAX_KEYS) forgetFirst(untold);
    untold.set(key, { rule, times: (before?.times ?? 0) + times, since: Math.min(before?.since ?? since, since) });
    flushLater();
  }

  function note(key: string, waitMs: number): void {
    if (waitMs <= 0) return;
    locked.delete(key);
    if (locked.size >= MAX_KEYS) forgetFirst(locked);
    locked.set(key, clock() + waitMs);
  }

  function flushLater(): void {
    if (isFlushing) return;
    isFlushing = true;
    later(() => void flush(), FLUSH_MS);
  }

  async function flush(): Promise<void> {
    const busiest = [...untold].sort(([, a], [, b]) => b.times - a.times).slice(0, MOST_A_FLUSH);
    const tell = async ([key]: [string, Untold]): Promise<void> => {
      const taken = takeUntold(key);
      if (taken === undefined) return;
      const { rule, times, since } = taken;
      // Where the store is away nothing is admitted; what was counted is told when it is back.
      await limits.fail(key, rule, times).then(
        (waitMs) => note(key, waitMs),
        () => add(key, rule, times, since),
      );
    };
    await Promise.all(busiest.map(tell));
    isFlushing = false;
    if (untold.size > 0) flushLater();
  }

  /** Whether one more failure may be written at once. */
  function isQuiet(): boolean {
    const current = Math.floor(clock() / FLUSH_MS);
    if (current !== second) written = 0;
    second = current;
    written += 1;
    return written <= AT_ONCE;
  }

  return {
    async lockedFor(key) {
      const left = (locked.get(key) ?? 0) - clock();
      if (left > 0) return left;
      locked.delete(key);
      const found = untold.get(key);
      // As many as lock it out: it is locked out with the next write.
      if (found !== undefined && found.times >= found.rule.failures.count) return FLUSH_MS;
      const waitMs = await limits.lockedFor(key);
      note(key, waitMs);
      return waitMs;
    },
    async fail(key, rule) {
      if (isQuiet()) note(key, await limits.fail(key, rule, 1 + (takeUntold(key)?.times ?? 0)));
      else add(key, rule, 1, clock());
    },
  };
}

function forgetFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
