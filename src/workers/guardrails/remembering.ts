import type { Clock } from '../../core/clock.ts';

/** Asks at most once in `ttlMs` for each name. A failure is not remembered. */
export function remembering<T>(
  ask: (name: string) => Promise<T>,
  ttlMs: number,
  clock: Clock,
): (name: string) => Promise<T> {
  const known = new Map<string, { readonly value: T; readonly until: number }>();
  return async (name) => {
    const found = known.get(name);
    if (found !== undefined && found.until > clock()) return found.value;
    // From before the question: what is answered late may have been overtaken as early as that.
    const until = clock() + ttlMs;
    const value = await ask(name);
    known.set(name, { value, until });
    return value;
  };
}
