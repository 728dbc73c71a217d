/**
 * When an absent reply is known not to have been posted.
 *
 * A call that posts a reply begins at most `START_MS` after its intent was recorded and is given up after the call's time
 * limit (`SALLYPORT_REPLY_TIMEOUT`). The vendor may still carry it out for `lateMs` after that, and its lists may show
 * the result `lagMs` later. Only an intent older than the sum of the four, by the store's clock, is settled: a look that
 * begins then and finds nothing proves that nothing was posted. A vendor that is slower than assumed here can have a
 * reply posted twice.
 */

/** Longest time from the intent to the start of the call; a call that would start later is refused. */
export const START_MS = 2_000;

/** What is assumed of a vendor, in ms; both bounds are inclusive. */
export interface VendorTiming {
  /** How long after the call was given up the vendor may still carry it out. */
  readonly lateMs: number;
  /** How long a reply takes to appear where `Replier.find` looks for it. */
  readonly lagMs: number;
}

/** Assumed: no vendor documents an upper bound for either. */
const usual: VendorTiming = { lateMs: 5_000, lagMs: 3_000 };

/** Age in ms from which an intent is settled. `timeoutMs` is the time limit of the call that posts. */
export const settleMs = (timeoutMs: number, { lateMs, lagMs }: VendorTiming = usual): number =>
  START_MS + timeoutMs + lateMs + lagMs;
