import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type Limits, MAX_LIMIT_KEYS } from '../../limits.ts';
import { type ScriptArgument, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Keys in one call, which keeps Redis for about a millisecond. */
const CHUNK = 500;

/** All of it lives under one tag: a source is not of one tenant. */
export function createLimits({ client, keys, run, now, failed }: Shards): Limits {
  const { limits: tag } = keys;
  const limiters = new Map<string, RateLimiterRedis>();

  /** One a rate: it holds nothing but the numbers and which keys have used theirs up. */
  function limiterOf(points: number, windowMs: number): RateLimiterRedis {
    const name = `${points}/${windowMs}`;
    const limiter =
      limiters.get(name) ??
      new RateLimiterRedis({
        storeClient: client,
        keyPrefix: `${tag}:rate`,
        points,
        duration: windowMs / 1_000,
        // Nothing of a window is left once it is used up: until it ends Redis need not be asked again.
        inMemoryBlockOnConsumed: points + 1,
      });
    limiters.set(name, limiter);
    return limiter;
  }

  return {
    async take(key, { count, windowMs }) {
      try {
        await limiterOf(count, windowMs).consume(key);
        return 0;
      } catch (error) {
        if (error instanceof RateLimiterRes) return Math.max(1, error.msBeforeNext);
        throw failed(error);
      }
    },
    async lockedFor(key) {
      return (await run(scripts.lockoutRead, tag, [now(), key])) as number;
    },
    async fail(key, { failures: { count, windowMs }, firstMs, longestMs, forgiveMs }, times = 1) {
      const rule = [count, windowMs, firstMs, longestMs, forgiveMs];
      return (await run(scripts.lockoutFail, tag, [now(), key, ...rule, MAX_LIMIT_KEYS, times])) as number;
    },
    async addUp(counts) {
      const entries = [...counts];
      const sums: number[] = [];
      for (let at = 0; at < entries.length; at += CHUNK) {
        const args: ScriptArgument[] = entries.slice(at, at + CHUNK).flat();
        sums.push(...((await run(scripts.addUp, tag, [now(), MAX_LIMIT_KEYS, ...args])) as number[]));
      }
      return sums;
    },
  };
}
