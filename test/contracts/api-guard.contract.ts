import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../src/core/errors.ts';
import type { Limits } from '../../src/queue/limits.ts';
import type { Store } from '../../src/queue/store.ts';
import { type ApiGuard, createApiGuard } from '../../src/server/limits/api-guard.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import type { StoreHarness } from './harness.ts';

const QUARTER_HOUR_MS = 15 * 60_000;
const PROXY = '10.0.0.1';

/** What callers with tokens can rely on, whatever store counts their failures. */
export function apiGuardContract(name: string, harness: StoreHarness): void {
  describe(`${name} refused tokens`, () => {
    let clock: FakeClock;
    let store: Store;
    beforeEach(async () => {
      clock = createFakeClock();
      store = await harness.open({ clock: clock.now });
    });
    afterEach(() => harness.cleanup());

    /** A process's guard, and how often its store has written for a refused token. */
    function guardOver({ limits }: Store) {
      const written = { count: 0 };
      const counting: Limits = {
        ...limits,
        take: (...args) => {
          written.count += 1;
          return limits.take(...args);
        },
        lockedFor: (key) => limits.lockedFor(key),
        addUp: (counts) => limits.addUp(counts),
        fail: (...args) => {
          written.count += 1;
          return limits.fail(...args);
        },
      };
      const guard = createApiGuard({
        limits: counting,
        digest: (label, parts) => [label, ...parts].join(' '),
        rate: { count: 1_000, windowMs: 60_000 },
        failures: { count: 5, windowMs: QUARTER_HOUR_MS },
        isShared: (source) => source.startsWith('10.0.0.'),
        clock: clock.now,
      });
      return { guard, written };
    }
    const admit = (guard: ApiGuard, source: string) => guard.admitSource(source).then(() => 'admitted', codeOf);
    const refuse = (guard: ApiGuard, source: string, ...more: unknown[]) =>
      guard.countRefused(source, ...(more as [])).then(() => 'counted', codeOf);

    it('lock a lone source out with the fifth, whichever processes counted them', async () => {
      const guards = [guardOver(store).guard, guardOver(await harness.reopen(store)).guard] as const;
      for (let n = 0; n < 4; n += 1) {
        expect(await refuse(guards[n % 2 === 0 ? 0 : 1], '203.0.113.9')).toBe('counted');
        for (const guard of guards) expect(await admit(guard, '203.0.113.9')).toBe('admitted');
      }
      await refuse(guards[0], '203.0.113.9');
      for (const guard of guards) expect(await admit(guard, '203.0.113.9')).toBe('ERR_RATE_LIMITED');
      clock.advance(QUARTER_HOUR_MS);
      for (const guard of guards) expect(await admit(guard, '203.0.113.9')).toBe('admitted');
    });

    it('of untrusted proxies are bounded over all of them and all processes, and a valid token passes meanwhile', async () => {
      const one = guardOver(store);
      const other = guardOver(await harness.reopen(store));
      const outcomes: string[] = [];
      for (let n = 0; n < 300; n += 1) outcomes.push(await refuse((n % 2 ? one : other).guard, `10.0.0.${n % 5}`));
      expect(outcomes.filter((outcome) => outcome === 'counted')).toHaveLength(100);
      expect(outcomes.indexOf('ERR_RATE_LIMITED')).toBe(100);
      // What is refused anyway writes nothing any more.
      expect(one.written.count + other.written.count).toBeLessThan(110);
      expect(await admit(one.guard, PROXY)).toBe('admitted');
      expect(await admit(other.guard, PROXY)).toBe('admitted');
    });

    it('that an issuer did sign are no guesses, and do not use up the bound of untrusted proxies', async () => {
      const { guard } = guardOver(store);
      for (let n = 0; n < 150; n += 1) expect(await refuse(guard, PROXY, undefined, true)).toBe('counted');
      expect(await refuse(guard, PROXY)).toBe('counted');
    });

    it('of very many sources cost a bounded number of writes, and a source among them is locked out all the same', async () => {
      const { guard, written } = guardOver(store);
      for (let n = 0; n < 2_000; n += 1) await guard.countRefused(`198.51.${n >> 8}.${n & 255}`);
      expect(written.count).toBeLessThan(200);
      for (let n = 0; n < 5; n += 1) await guard.countRefused('203.0.113.9');
      // Here at once; everywhere with the next write of what was added up.
      expect(await admit(guard, '203.0.113.9')).toBe('ERR_RATE_LIMITED');
      const other = guardOver(await harness.reopen(store)).guard;
      await until('it is locked out everywhere', async () => (await admit(other, '203.0.113.9')) !== 'admitted');
      expect(written.count).toBeLessThan(1_000);
    });

    it('cost a source that is locked out no further question to the store', async () => {
      const { guard } = guardOver(store);
      for (let n = 0; n < 5; n += 1) await refuse(guard, '203.0.113.9');
      const asked: string[] = [];
      const { lockedFor } = store.limits;
      const watched = guardOver({
        ...store,
        limits: {
          ...store.limits,
          lockedFor: (key) => {
            asked.push(key);
            return lockedFor(key);
          },
        },
      }).guard;
      for (let n = 0; n < 10; n += 1) expect(await admit(watched, '203.0.113.9')).toBe('ERR_RATE_LIMITED');
      expect(asked).toHaveLength(1);
    });
  });
}
