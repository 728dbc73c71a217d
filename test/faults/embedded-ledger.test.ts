import { stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { AccountLimit } from '../../src/queue/ledger.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { openAt, withDataFile } from '../support/embedded-process.ts';

const limit: AccountLimit = { scope: 'tenant', account: 'acme', resource: 'usdMicros', window: 'day', max: 100 };
const request = { id: 'one', tenant: 'acme', amounts: { usdMicros: 1 }, limits: [limit], ttlMs: 60_000 };

it('a reservation is answered first and followed by a synced commit, which nobody has to ask for', () =>
  withDataFile(async (path) => {
    const store = await openAt(path);
    const logBytes = async () => (await stat(`${path}-wal`)).size;
    expect((await store.ledger.reserve(request)).kind).toBe('reserved');
    const reserved = await logBytes();
    // The log only grows by commits, and nothing else writes here.
    await expect.poll(logBytes, { timeout: PATIENCE_MS }).toBeGreaterThan(reserved);
    await store.close();
  }));

it('a process that ends in order leaves its reservations in the file', () =>
  withDataFile(async (path) => {
    const store = await openAt(path);
    await store.ledger.reserve(request);
    await store.close();
    const again = await openAt(path);
    expect(await again.ledger.usage([limit])).toMatchObject([{ spent: 0, reserved: 1 }]);
    await again.close();
  }));
