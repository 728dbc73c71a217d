import type { Rate } from '../../core/rate.ts';

/**
 * A bucket of `rate.count` events that fills evenly within `rate.windowMs`, as the time at which it is full again, in epoch
 * ms. Takes one event out of it; null when it is empty. Lua says the same in `accept.lua`.
 */
export function takeFromBucket(fullAt: number, { count, windowMs }: Rate, now: number): number | null {
  const next = Math.max(fullAt, now) + windowMs / count;
  return next - now > windowMs + ROUNDING_MS ? null : next;
}

/** For how many ms there is nothing in the bucket. */
export const bucketEmptyFor = (fullAt: number, { count, windowMs }: Rate, now: number): number =>
  Math.ceil(fullAt + windowMs / count - windowMs - now);

/** Fractions of a ms add up to a little more than they are. */
const ROUNDING_MS = 0.001;
