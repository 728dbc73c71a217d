import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits } from '../../../src/queue/store.ts';

test('a store that closes right after a reservation syncs it first, and nothing fails afterwards', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-ledger-'));
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, name: string) => void warnings.push(name) };
  const options = { path: join(folder, 'store.db'), limits: defaultLimits, idCheck: 'check', logger };
  const limit = { scope: 'tenant', account: 'acme', resource: 'usdMicros', window: 'day', max: 100 } as const;
  try {
    const store = await openEmbeddedStore(options);
    const request = { id: 'use', tenant: 'acme', amounts: { usdMicros: 60 }, limits: [limit], ttlMs: 60_000 };
    expect(await store.ledger.reserve(request)).toMatchObject({ kind: 'reserved' });
    await store.close();
    // Longer than a sync may be put off.
    await delay(300);
    expect(warnings).toEqual([]);
    const again = await openEmbeddedStore(options);
    expect(await again.ledger.usage([limit])).toMatchObject([{ reserved: 60 }]);
    await again.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
