import type { Clock } from '../../core/clock.ts';
import type { Verdict } from './guardrail.ts';

export interface VerdictCache {
  get(key: string): Verdict | undefined;
  /** `version` is the policy's own; another one than before ends what was known. */
  put(key: string, verdict: Verdict, version: string | undefined): void;
}

/** Most verdicts that are kept; the oldest goes first. */
const MAX_VERDICTS = 1_000;

export function createVerdictCache(ttlMs: number, clock: Clock): VerdictCache {
  const kept = new Map<string, { readonly verdict: Verdict; readonly until: number }>();
  let current: string | undefined;
  return {
    get(key) {
      const found = kept.get(key);
      if (found === undefined || found.until > clock()) return found?.verdict;
      kept.delete(key);
      return undefined;
    },
    put(key, verdict, version) {
      if (version !== current) kept.clear();
      current = version;
      if (ttlMs <= 0) return;
      kept.set(key, { verdict, until: clock() + ttlMs });
      const [oldest] = kept.keys();
      if (kept.size > MAX_VERDICTS && oldest !== undefined) kept.delete(oldest);
    },
  };
}
