import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_REVOCATIONS, type Revocation, type RevocationTarget } from '../../src/queue/records/revocations.ts';
import type { Store } from '../../src/queue/store.ts';
import { SKEW_MS } from '../../src/server/api/token.ts';
import { MAX_LIFE_MS, revocationsOver } from '../support/authorize.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import type { StoreHarness } from './harness.ts';

/** What revoked tokens rely on in every store: each process knows at once, and after a restart. */
export function revocationsContract(name: string, harness: StoreHarness): void {
  describe(`${name} revocations`, () => {
    let store: Store;
    let clock: FakeClock;
    beforeEach(async () => {
      store = await harness.open();
      clock = createFakeClock();
    });
    afterEach(() => harness.cleanup());

    const over = (one: Store) => revocationsOver(one, { clock: clock.now });
    const add = (target: RevocationTarget, more: Partial<Revocation> = {}) => {
      const id = over(store).idOf(target);
      const given = { id, kind: target.kind, before: clock.now(), revokedAt: clock.now(), by: 'op', ...more };
      return over(store).add('acme', given);
    };
    const minuteOld = () => ({ subject: 'ada', jti: 'a', issuedAt: clock.now() - 60_000 });

    it('are known to another process at its next look', async () => {
      const other = over(await harness.reopen(store));
      expect(await other.isRevoked('acme', minuteOld())).toBe(false);
      await add({ kind: 'sub', name: 'ada' });
      expect(await other.isRevoked('acme', minuteOld())).toBe(true);
      expect(await other.isRevoked('acme', { ...minuteOld(), subject: 'grace' })).toBe(false);
      expect(await other.isRevoked('globex', minuteOld())).toBe(false);
    });

    it('hold after a restart', async () => {
      await add({ kind: 'jti', name: 'a' });
      const again = over(await harness.reopen(store));
      expect(await again.isRevoked('acme', minuteOld())).toBe(true);
      expect(await again.list('acme')).toMatchObject([{ kind: 'jti', by: 'op' }]);
    });

    it('keep the latest time of concurrent writers', async () => {
      const other = over(await harness.reopen(store));
      const id = other.idOf({ kind: 'sub', name: 'ada' });
      const at = clock.now();
      await Promise.all(
        [5, 1, 9, 3].map((minutes, writer) =>
          (writer % 2 === 0 ? other : over(store)).add('acme', {
            ...{ id, kind: 'sub', revokedAt: at, by: 'op' },
            before: at - minutes * 60_000,
          }),
        ),
      );
      expect(await other.get('acme', id)).toMatchObject({ before: at - 60_000 });
    });

    it('disappear once no token that they concern can be alive, and make room', async () => {
      await add({ kind: 'sub', name: 'ada' });
      clock.advance(MAX_LIFE_MS + 2 * SKEW_MS - 1);
      expect(await over(store).list('acme')).toHaveLength(1);
      expect(await over(store).isRevoked('acme', { subject: 'ada' })).toBe(true);
      clock.advance(1);
      expect(await over(store).list('acme')).toEqual([]);
      expect(await over(store).isRevoked('acme', { subject: 'ada' })).toBe(false);
      await over(store).reserve('acme', 'jti_0000000000000000000000');
      expect((await store.records.list('acme', 'revocations')).size).toBe(0);
    });

    it(`are at most ${MAX_REVOCATIONS} of one tenant`, async () => {
      const targets = Array.from({ length: MAX_REVOCATIONS }, (_, at) => ({
        kind: 'sub' as const,
        name: `user ${at}`,
      }));
      for (const target of targets) await add(target);
      const room = (target: RevocationTarget) => over(store).reserve('acme', over(store).idOf(target));
      await expect(room({ kind: 'sub', name: 'one more' })).rejects.toMatchObject({ code: 'ERR_REVOCATIONS_FULL' });
      await expect(room({ kind: 'sub', name: 'user 7' })).resolves.toBeUndefined();
      await expect(room({ kind: 'tenant' })).resolves.toBeUndefined();
      await expect(over(store).reserve('globex', 'tenant')).resolves.toBeUndefined();
    });

    it('that cannot be read accept no token', async () => {
      const id = over(store).idOf({ kind: 'sub', name: 'ada' });
      await store.records.compareAndSet('acme', 'revocations', id, 0, { v: 2 });
      await expect(over(store).isRevoked('acme', minuteOld())).rejects.toMatchObject({ code: 'ERR_STORE_MISMATCH' });
    });
  });
}
