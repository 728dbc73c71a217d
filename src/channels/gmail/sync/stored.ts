import type { z } from 'zod';
import { SallyportError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json/json.ts';
import type { Records } from '../../../queue/records.ts';

/** Records of one kind, one a mailbox. */
export interface Stored<T> {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE */
  read(mailbox: string): Promise<T | null>;
  /**
   * Replaces the record by what `change` makes of it, by compare-and-set: `change` is asked again when somebody else was
   * first, and what it gives back unchanged is not written. Resolves with the record as it is now.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  update(mailbox: string, change: (known: T | null) => T): Promise<T>;
}

/** Mailboxes have one worker at a time and one keeper; whoever loses this often fights something that is broken. */
const MAX_TRIES = 20;

export function createStored<T extends JsonValue>(
  records: Records,
  tenant: string,
  collection: string,
  schema: z.ZodType<T>,
): Stored<T> {
  const load = async (mailbox: string): Promise<{ value: T | null; revision: number }> => {
    const found = await records.get(tenant, collection, mailbox);
    return found === null
      ? { value: null, revision: 0 }
      : { value: schema.parse(found.value), revision: found.revision };
  };
  return {
    read: async (mailbox) => (await load(mailbox)).value,
    async update(mailbox, change) {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const { value, revision } = await load(mailbox);
        const next = change(value);
        if (next === value) return next;
        if (await records.compareAndSet(tenant, collection, mailbox, revision, next)) return next;
      }
      throw new SallyportError('ERR_STORE_UNAVAILABLE', 'a record cannot be written: it never stays as it was read');
    },
  };
}
