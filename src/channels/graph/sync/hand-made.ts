import { z } from 'zod';
import type { Identifier } from '../../../core/identity.ts';
import { createCollection } from '../../../queue/records/collection.ts';
import type { Records } from '../../../queue/records.ts';

/** Since when a subscription that somebody made by hand is known: Graph does not say when it was made. */
export interface HandMade {
  /** Epoch ms before which objects are none of its business. `seenAt` is when this notification came. */
  startOf(subscription: string, seenAt: number): Promise<number>;
}

const handMadeSchema = z.object({ v: z.literal(1), startedAt: z.number() });

/** Its first notification may have been sent again for 4 hours; the fifth is for a message that waited in a queue. */
const GRACE_MS = 5 * 3_600_000;

export function createHandMade(records: Records, tenant: string, identifier: Identifier): HandMade {
  const known = createCollection(records, 'graph-hand-made', handMadeSchema);
  return {
    async startOf(subscription, seenAt) {
      const name = identifier.digest('graph-hand-made', [tenant, subscription]);
      const first = { v: 1 as const, startedAt: seenAt - GRACE_MS };
      return (await known.update(tenant, name, (stored) => stored ?? first))?.startedAt ?? first.startedAt;
    },
  };
}
