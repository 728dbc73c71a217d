import type { z } from 'zod';
import { createCollection } from '../../../queue/records/collection.ts';
import type { Records } from '../../../queue/records.ts';

/** Records of one kind, one a mailbox. Both methods refuse a record that this release cannot read (`isUnreadable`). */
export interface Stored<T> {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH */
  read(mailbox: string): Promise<T | null>;
  /**
   * Replaces the record by what `change` makes of it. `change` is asked again when somebody else was first, and what it
   * gives back unchanged is not written. Resolves with the record as it is now.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH
   */
  update(mailbox: string, change: (known: T | null) => T): Promise<T>;
}

export function createStored<T>(records: Records, tenant: string, collection: string, schema: z.ZodType<T>): Stored<T> {
  const stored = createCollection(records, collection, schema);
  return {
    read: (mailbox) => stored.get(tenant, mailbox),
    // Nothing is deleted, so there is a record afterwards.
    update: async (mailbox, change) => (await stored.update(tenant, mailbox, change)) as T,
  };
}
