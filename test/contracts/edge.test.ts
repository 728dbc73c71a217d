import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/core/logger.ts';
import { type EmbeddedStoreOptions, openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { type EdgeFront, openEdgeFront } from '../support/edge-front.ts';
import type { StoreHarness } from './harness.ts';
import { inboxContract } from './inbox.contract.ts';

interface World {
  readonly options: EmbeddedStoreOptions;
  readonly front: EdgeFront;
  /** Behind the edge. */
  readonly inner: Store;
}

const opened = new Map<Store, World>();
const folders: string[] = [];

function behind(front: EdgeFront, inner: Store, options: EmbeddedStoreOptions): Store {
  const store: Store = {
    ...inner,
    inbox: front.inbox,
    async close() {
      front.close();
      await inner.close();
    },
  };
  opened.set(store, { options, front, inner });
  return store;
}

/**
 * The edge in front of an embedded store: shards over SQLite files, whose outboxes forward to the real route at once. The
 * other ports are those of the store behind it, so that a case sees what became of its events.
 */
const harness: StoreHarness = {
  holds: 'outbox',
  async open({ limits, clock = Date.now } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-edge-'));
    folders.push(folder);
    const options: EmbeddedStoreOptions = {
      path: join(folder, 'store.db'),
      limits: { ...defaultLimits, ...limits },
      idCheck: 'check',
      logger: silentLogger,
      sweepMs: 100,
      clock,
    };
    const inner = await openEmbeddedStore(options);
    return behind(openEdgeFront(inner, folder, clock), inner, options);
  },
  async reopen(store) {
    const world = opened.get(store);
    if (world === undefined) throw new Error('the store was not opened by this harness');
    return behind(world.front, await openEmbeddedStore(world.options), world.options);
  },
  async cleanup() {
    const errors = [...opened.values()].flatMap(({ front }) => front.errors);
    await Promise.all([...opened.keys()].map((store) => store.close()));
    opened.clear();
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
    if (errors.length > 0) throw new AggregateError(errors, 'a shard failed');
  },
};

inboxContract('edge', harness);
