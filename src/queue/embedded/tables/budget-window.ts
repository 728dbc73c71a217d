import type { BudgetWindow } from '../../../core/budget.ts';

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** The window of the UTC calendar that `now` is in, in epoch ms. A run's has neither start nor end. */
export function windowAt(
  window: BudgetWindow,
  now: number,
): { readonly start: number; readonly endsAt: number | null } {
  if (window === 'run') return { start: 0, endsAt: null };
  if (window === 'month') {
    const date = new Date(now);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return { start: Date.UTC(year, month), endsAt: Date.UTC(year, month + 1) };
  }
  const length = window === 'day' ? DAY_MS : HOUR_MS;
  const start = now - (now % length);
  return { start, endsAt: start + length };
}
