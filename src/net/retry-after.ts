/** Longest wait a server may ask for that is believed, in ms. An event waits 60 s in total before it is parked, so more makes no difference. */
export const LONGEST_WAIT_MS = 3_600_000;

/** The beginning of a date in each of the three forms of RFC 9110, 5.6.7; `Date.parse` alone takes `1.5` for a date. */
const dated = /^[A-Z][a-z]{2,8},? /;

/**
 * `Retry-After` (RFC 9110, 10.2.3), in seconds or as a date, in ms from `now`: from 0 to an hour. Undefined for what is
 * neither. `now` is in epoch ms.
 */
export function retryAfterMs(header: string | null | undefined, now = Date.now()): number | undefined {
  const text = header?.trim() ?? '';
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : dated.test(text) ? Date.parse(text) - now : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_WAIT_MS);
}
