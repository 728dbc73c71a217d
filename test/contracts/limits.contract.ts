import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Limits, type LockoutRule, MAX_LIMIT_KEYS } from '../../src/queue/limits.ts';
import { afterFailure, type Lockout, NO_LOCKOUT } from '../../src/queue/model/lockout.ts';
import type { Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock, letPass } from '../support/clock.ts';
import type { StoreHarness } from './harness.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const rule: LockoutRule = {
  failures: { count: 3, windowMs: 15 * MINUTE_MS },
  firstMs: 15 * MINUTE_MS,
  longestMs: DAY_MS,
  forgiveMs: DAY_MS,
};

/** What every store promises about limits. */
export function limitsContract(name: string, harness: StoreHarness): void {
  describe(`${name} limits`, () => {
    let clock: FakeClock;
    let store: Store;
    let limits: Limits;
    beforeEach(async () => {
      clock = createFakeClock();
      store = await harness.open({ clock: clock.now });
      limits = store.limits;
    });
    afterEach(() => harness.cleanup());

    describe('rates', () => {
      const hour = { count: 10, windowMs: HOUR_MS };

      it('let exactly as many pass as they say, however many ask at once, and say when the window ends', async () => {
        const waits = await Promise.all(Array.from({ length: 300 }, () => limits.take('a', hour)));
        expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
        for (const wait of waits.filter((one) => one > 0)) {
          expect(wait).toBeGreaterThan(0);
          expect(wait).toBeLessThanOrEqual(HOUR_MS);
        }
      });

      it('are shared by all processes', async () => {
        const other = await harness.reopen(store);
        const takes = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? store : other).limits.take('a', hour));
        expect((await Promise.all(takes)).filter((wait) => wait === 0)).toHaveLength(10);
        expect(await other.limits.take('a', hour)).toBeGreaterThan(0);
      });

      it('count each key by itself', async () => {
        await Promise.all(Array.from({ length: 10 }, () => limits.take('a', hour)));
        expect(await limits.take('a', hour)).toBeGreaterThan(0);
        expect(await limits.take('b', hour)).toBe(0);
      });

      it('begin anew when the window is over', async () => {
        const second = { count: 2, windowMs: 1_000 };
        expect(await Promise.all([1, 2].map(() => limits.take('a', second)))).toEqual([0, 0]);
        const wait = await limits.take('a', second);
        expect(wait).toBeLessThanOrEqual(1_000);
        await letPass(clock, 1_200);
        expect(await limits.take('a', second)).toBe(0);
      });
    });

    describe('lockouts', () => {
      const failTimes = async (times: number): Promise<number[]> => {
        const waits: number[] = [];
        for (let n = 0; n < times; n += 1) waits.push(await limits.fail('a', rule));
        return waits;
      };

      it('begin with the failure that reaches the limit, last as long as the rule says and count nothing meanwhile', async () => {
        expect(await limits.lockedFor('a')).toBe(0);
        expect(await failTimes(2)).toEqual([0, 0]);
        expect(await limits.lockedFor('a')).toBe(0);
        expect(await failTimes(2)).toEqual([rule.firstMs, rule.firstMs]);
        clock.advance(rule.firstMs - 1);
        expect(await limits.lockedFor('a')).toBe(1);
        expect(await failTimes(1)).toEqual([1]);
        clock.advance(1);
        expect(await limits.lockedFor('a')).toBe(0);
        expect(await failTimes(2)).toEqual([0, 0]);
      });

      it('begin with several failures told at once, as they do with each by itself', async () => {
        expect(await limits.fail('a', rule, 2)).toBe(0);
        expect(await limits.fail('b', rule, 2)).toBe(0);
        expect(await limits.fail('a', rule)).toBe(rule.firstMs);
        expect(await limits.fail('b', rule, 5)).toBe(rule.firstMs);
        expect(await limits.fail('c', rule, 3)).toBe(rule.firstMs);
        clock.advance(rule.firstMs);
        // What came on top of the failure that reached the limit belongs to no further lockout.
        expect(await limits.fail('b', rule, 2)).toBe(0);
        expect(await limits.fail('b', rule)).toBe(2 * rule.firstMs);
      });

      it('concern one key and are seen by all processes', async () => {
        await failTimes(2);
        const other = await harness.reopen(store);
        expect(await other.limits.fail('a', rule)).toBe(rule.firstMs);
        expect(await limits.lockedFor('a')).toBe(rule.firstMs);
        expect(await limits.lockedFor('b')).toBe(0);
      });

      it('do not come of failures that are further apart than the window', async () => {
        await failTimes(2);
        clock.advance(rule.failures.windowMs);
        expect(await failTimes(2)).toEqual([0, 0]);
      });

      it('last twice as long each time, a day at most', async () => {
        const lengths: number[] = [];
        for (let n = 0; n < 9; n += 1) {
          const waits = await failTimes(3);
          const length = waits[2] ?? 0;
          lengths.push(length / MINUTE_MS);
          clock.advance(length);
        }
        expect(lengths).toEqual([15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
      });

      it('last half as long for each day without one, and the first length in the end', async () => {
        const next = async (): Promise<number> => ((await failTimes(3))[2] ?? 0) / MINUTE_MS;
        const waitOut = async () => clock.advance(await limits.lockedFor('a'));
        for (const minutes of [15, 30, 60, 120]) {
          expect(await next()).toBe(minutes);
          await waitOut();
        }
        clock.advance(2 * DAY_MS);
        expect(await next()).toBe(60);
        await waitOut();
        clock.advance(DAY_MS - 1);
        expect(await next()).toBe(120);
        await waitOut();
        clock.advance(30 * DAY_MS);
        expect(await next()).toBe(15);
      });

      it('are the same at the longest length for a rule that does not double', async () => {
        const flat = { ...rule, longestMs: rule.firstMs };
        for (let n = 0; n < 3; n += 1) {
          for (const wait of [0, 0, rule.firstMs]) expect(await limits.fail('a', flat)).toBe(wait);
          clock.advance(rule.firstMs);
        }
      });

      it('follow the model through any history', async () => {
        let key = 0;
        const gap = fc.oneof(fc.constant(0), fc.nat(rule.firstMs * 3), fc.nat(3 * DAY_MS));
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.tuple(gap, fc.integer({ min: 1, max: 4 })), { maxLength: 25 }),
            async (history) => {
              key += 1;
              let known: Lockout = NO_LOCKOUT;
              for (const [ms, times] of history) {
                clock.advance(ms);
                known = afterFailure(known, rule, clock.now(), times);
                const expected = Math.max(0, known.until - clock.now());
                expect(await limits.fail(`history ${key}`, rule, times)).toBe(expected);
              }
            },
          ),
          { numRuns: 20 },
        );
      });
    });

    describe('counts of a minute', () => {
      it('add up over all processes until the minute ends', async () => {
        const other = await harness.reopen(store);
        clock.advance(MINUTE_MS - (clock.now() % MINUTE_MS));
        expect(
          await limits.addUp(
            new Map([
              ['a', 3],
              ['b', 1],
            ]),
          ),
        ).toEqual([3, 1]);
        expect(
          await other.limits.addUp(
            new Map([
              ['b', 2],
              ['a', 4],
            ]),
          ),
        ).toEqual([3, 7]);
        clock.advance(MINUTE_MS - 1);
        expect(await limits.addUp(new Map([['a', 1]]))).toEqual([8]);
        clock.advance(1);
        expect(await limits.addUp(new Map([['a', 1]]))).toEqual([1]);
        expect(await limits.addUp(new Map())).toEqual([]);
      });
    });

    it(`keep ${MAX_LIMIT_KEYS} keys of each kind, and the lockouts that last longest`, async () => {
      await limits.fail('locked', { ...rule, failures: { ...rule.failures, count: 1 } });
      const keys = Array.from({ length: MAX_LIMIT_KEYS + 500 }, (_, n) => `source ${n}`);
      for (let at = 0; at < keys.length; at += 500) {
        await Promise.all(keys.slice(at, at + 500).map((key) => limits.fail(key, rule)));
      }
      expect(await limits.lockedFor('locked')).toBe(rule.firstMs);
      // The first are forgotten: their failures count from the beginning.
      const waits = async (key: string) => [await limits.fail(key, rule), await limits.fail(key, rule)];
      expect(await waits(keys.at(-1) ?? '')).toEqual([0, rule.firstMs]);
      expect(await waits(keys[0] ?? '')).toEqual([0, 0]);

      const sums = await limits.addUp(new Map(keys.map((key) => [key, 1])));
      expect(sums.every((sum) => sum === 1)).toBe(true);
      const again = await limits.addUp(new Map(keys.map((key) => [key, 1])));
      expect(again.filter((sum) => sum === 2)).toHaveLength(MAX_LIMIT_KEYS);
    });
  });
}
