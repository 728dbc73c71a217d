import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventRecord, InboundEvent } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import type { AccountLimit } from '../../src/queue/ledger.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { Spending } from '../../src/workers/budget/run-budget.ts';
import { createEventMaker } from './events.ts';

export interface SpendingStore {
  readonly store: Store;
  /** An attempt of an agent that costs something, at an event of its own unless one is given. */
  spending(event?: Partial<InboundEvent>, record?: Partial<EventRecord>): Spending;
  /** Micro-dollars of the tenant today. */
  spentToday(): Promise<{ spent: number; reserved: number }>;
  use(limit: AccountLimit): Promise<{ spent: number; reserved: number }>;
  close(): Promise<void>;
}

/** A real ledger in a file of its own. */
export async function openSpending(clock: () => number = Date.now): Promise<SpendingStore> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-budget-'));
  const path = join(folder, 'store.db');
  const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger, clock });
  const make = createEventMaker(clock);
  const use: SpendingStore['use'] = async (limit) => {
    const [{ spent, reserved } = { spent: 0, reserved: 0 }] = await store.ledger.usage([limit]);
    return { spent, reserved };
  };
  return {
    store,
    spending(overrides = {}, record = {}) {
      const event = make(overrides);
      return {
        event,
        isFree: false,
        record: { ...recordOf(event), ...record },
      };
    },
    use,
    spentToday: () => use({ scope: 'tenant', account: 'acme', resource: 'usdMicros', window: 'day', max: 'unlimited' }),
    async close() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

const recordOf = (event: InboundEvent): EventRecord => ({
  event,
  state: 'running',
  generation: 1,
  attempts: 1,
  deliveries: 1,
  eligibleAt: event.receivedAt,
  runs: [],
});
