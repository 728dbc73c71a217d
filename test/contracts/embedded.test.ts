import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/core/logger.ts';
import { type EmbeddedStoreOptions, openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { StoreHarness } from './harness.ts';
import { storeContract } from './store.contract.ts';

const opened = new Map<Store, EmbeddedStoreOptions>();
const folders: string[] = [];

async function openWith(options: EmbeddedStoreOptions): Promise<Store> {
  const store = await openEmbeddedStore(options);
  opened.set(store, options);
  return store;
}

/** No `loseWakes`: a conversation's row is its wake, so there is nothing beside it that could be lost. */
const harness: StoreHarness = {
  async open({ limits, clock } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-embedded-'));
    folders.push(folder);
    return openWith({
      path: join(folder, 'store.db'),
      limits: { ...defaultLimits, ...limits },
      idCheck: 'check',
      logger: silentLogger,
      sweepMs: 100,
      ...(clock === undefined ? {} : { clock }),
    });
  },
  async reopen(store) {
    const options = opened.get(store);
    if (options === undefined) throw new Error('the store was not opened by this harness');
    return openWith(options);
  },
  async cleanup() {
    await Promise.all([...opened.keys()].map((store) => store.close()));
    opened.clear();
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
  },
};

storeContract('embedded', harness);
