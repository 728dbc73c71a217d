import type { Identifier } from '../../../core/identity.ts';
import { isJsonObject } from '../../../core/json/json.ts';
import type { Records } from '../../../queue/records.ts';

/** Since when a subscription that somebody made by hand is known: Graph does not say when it was made. */
export interface HandMade {
  /** Epoch ms before which objects are none of its business. `seenAt` is when this notification came. */
  startOf(subscription: string, seenAt: number): Promise<number>;
}

const COLLECTION = 'graph-hand-made';

/** Its first notification may have been sent again for 4 hours; the fifth is for a message that waited in a queue. */
const GRACE_MS = 5 * 3_600_000;

export function createHandMade(records: Records, tenant: string, identifier: Identifier): HandMade {
  return {
    async startOf(subscription, seenAt) {
      const name = identifier.digest('graph-hand-made', [tenant, subscription]);
      const stored = (await records.get(tenant, COLLECTION, name))?.value;
      if (isJsonObject(stored) && typeof stored.startedAt === 'number') return stored.startedAt;
      const startedAt = seenAt - GRACE_MS;
      // Whoever was first at the same moment wrote the same within a moment.
      await records.compareAndSet(tenant, COLLECTION, name, 0, { v: 1, startedAt });
      return startedAt;
    },
  };
}
