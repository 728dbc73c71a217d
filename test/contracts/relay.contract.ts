import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createRelayEpoch } from '../../src/core/relay.ts';
import { createRelayAttempts, type RelayAttempt } from '../../src/queue/records/relay-attempts.ts';
import type { Store } from '../../src/queue/store.ts';
import type { StoreHarness } from './harness.ts';

/** What keeps a batch of the edge from being taken in twice, in every store and over all processes. */
export function relayContract(name: string, harness: StoreHarness): void {
  describe(`${name} attempts of the relay`, () => {
    const epoch = createRelayEpoch(1_796_000_000_000, nodeCrypto);
    const nth = (attempt: number, more: Partial<RelayAttempt> = {}): RelayAttempt => ({
      ...{ tenant: 'acme', shard: 'acme/3', epoch, attempt },
      ...more,
    });
    let store: Store;
    beforeEach(async () => {
      store = await harness.open();
    });
    afterEach(() => harness.cleanup());

    it('are taken in once and in order, over all processes', async () => {
      const [one, other] = [
        createRelayAttempts(store.records),
        createRelayAttempts((await harness.reopen(store)).records),
      ];
      expect(await one.claim(nth(1))).toBe(true);
      expect(await other.claim(nth(1))).toBe(false);
      expect(await other.claim(nth(4))).toBe(true);
      for (const attempt of [1, 2, 3, 4]) expect(await one.claim(nth(attempt))).toBe(false);
      expect(await one.claim(nth(5))).toBe(true);
    });

    it('pass once when several processes race with the same one', async () => {
      const stores = [store, await harness.reopen(store), await harness.reopen(store)];
      const processes = stores.map(({ records }) => createRelayAttempts(records));
      for (let attempt = 1; attempt <= 20; attempt += 1) {
        const claims = await Promise.all([...processes, ...processes].map((one) => one.claim(nth(attempt))));
        expect(claims.filter(Boolean)).toHaveLength(1);
      }
    });

    it('are those of a shard and a tenant', async () => {
      const attempts = createRelayAttempts(store.records);
      expect(await attempts.claim(nth(9))).toBe(true);
      expect(await attempts.claim(nth(1, { shard: 'acme/4' }))).toBe(true);
      expect(await attempts.claim(nth(1, { tenant: 'globex', shard: 'globex/3' }))).toBe(true);
    });

    it('begin anew with a later epoch, which ends those before it', async () => {
      const attempts = createRelayAttempts(store.records);
      const epochAt = (ms: number): string => createRelayEpoch(1_796_000_000_000 + ms, nodeCrypto);
      const [earlier, later] = [epochAt(-1), epochAt(1)];
      expect(await attempts.claim(nth(7))).toBe(true);
      expect(await attempts.claim(nth(8, { epoch: earlier }))).toBe(false);
      expect(await attempts.claim(nth(1, { epoch: later }))).toBe(true);
      expect(await attempts.claim(nth(8))).toBe(false);
      expect(await attempts.claim(nth(8, { epoch: epochAt(1) }))).toBe(false);
    });
  });
}
