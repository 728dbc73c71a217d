import * as z from 'zod';
import { errorCodes } from '../../../core/errors.ts';
import type { Identifier } from '../../../core/identity.ts';
import { createCollection } from '../../../queue/records/collection.ts';
import type { Records } from '../../../queue/records.ts';

/** What is remembered of a subscription we keep. Its secrets are not: they follow from the key (client-state.ts). */
const keptSchema = z.object({
  v: z.literal(1),
  resource: z.string(),
  changeType: z.string(),
  /** Graph's id; null while there is none. */
  id: z.string().nullable(),
  /** What it was made with: URL and certificate cannot be changed later. */
  madeWith: z.string().nullable(),
  /** Epoch ms at which it was first wanted: what was created before is none of its business. */
  startedAt: z.number(),
  /** Epoch ms, as Graph answered; Graph may give less or more than was asked for. */
  expiresAt: z.number().nullable(),
  /** When it was last made or prolonged; null: never made. */
  renewedAt: z.number().nullable(),
  prolongedAt: z.number().nullable(),
  renewAt: z.number(),
  /** After a failure: not before. */
  notBefore: z.number(),
  /** Of the last call; null when it went well. */
  failure: z.enum(errorCodes).nullable(),
  /** Everything created before has been accepted. */
  syncedTo: z.number(),
  syncedAt: z.number(),
  /** Graph said, or it is plain, that something was not delivered. */
  needsSync: z.boolean(),
  lastEventAt: z.number().nullable(),
  /** The mailbox as notifications name it, which is what identities are made of; null until known. */
  mailbox: z.string().nullable(),
});
export type Kept = Readonly<z.output<typeof keptSchema>>;

/** A resource to be subscribed to. */
export interface Wanted {
  readonly resource: string;
  readonly changeType: string;
}

/**
 * Subscriptions by nonce, in the tenant's records. Every method but `list`, which leaves them out, refuses a record that
 * this release cannot read (`isUnreadable`).
 */
export interface KeptStore {
  get(nonce: string): Promise<Kept | null>;
  list(): Promise<ReadonlyMap<string, Kept>>;
  /** The record, made now when there is none. */
  ensure(nonce: string, wanted: Wanted, now: number): Promise<Kept>;
  /** Applies the change to whatever is stored by then. Null when the subscription is not kept any more. */
  update(nonce: string, change: (kept: Kept) => Partial<Kept>): Promise<Kept | null>;
  remove(nonce: string): Promise<void>;
}

export function createKeptStore(records: Records, tenant: string): KeptStore {
  const subscriptions = createCollection(records, 'graph-subscriptions', keptSchema);
  return {
    get: (nonce) => subscriptions.get(tenant, nonce),
    list: async () => (await subscriptions.list(tenant)).records,
    ensure: async (nonce, wanted, now) =>
      (await subscriptions.update(tenant, nonce, (known) => known ?? fresh(wanted, now))) ?? fresh(wanted, now),
    update: (nonce, change) =>
      subscriptions.update(tenant, nonce, (kept) => (kept === null ? null : { ...kept, ...change(kept) })),
    remove: async (nonce) => void (await subscriptions.update(tenant, nonce, () => null)),
  };
}

const fresh = ({ resource, changeType }: Wanted, now: number): Kept => ({
  v: 1,
  resource,
  changeType,
  id: null,
  madeWith: null,
  startedAt: now,
  expiresAt: null,
  renewedAt: null,
  prolongedAt: null,
  renewAt: now,
  notBefore: 0,
  failure: null,
  syncedTo: now,
  syncedAt: now,
  needsSync: false,
  lastEventAt: null,
  mailbox: null,
});

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
