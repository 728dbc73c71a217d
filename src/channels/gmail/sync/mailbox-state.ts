import * as z from 'zod';
import { errorCodes } from '../../../core/errors.ts';
import { createCollection } from '../../../queue/records/collection.ts';
import type { Records } from '../../../queue/records.ts';

/** A stretch of history that Gmail had already forgotten when we asked for it. */
const gap = z.object({
  /** Epoch ms at which it was noticed and filled. */
  at: z.number(),
  /** The cursor that was too old, and the one that followed it. */
  from: z.string(),
  to: z.string(),
  /** Messages that the resync listed, known ones included. */
  listed: z.number(),
});

/** A history id, and epoch ms since when it is known. */
const mark = z.object({ historyId: z.string(), at: z.number() });

const mailboxState = z.object({
  v: z.literal(1),
  /** Epoch ms from which this mailbox is ours: what reached it before is nobody's business. */
  startedAt: z.number(),
  /** The cursor: everything up to it has been accepted. Null until there is one. */
  historyId: z.string().nullable(),
  /** What a walk reached; the next cursor, once the history has settled. */
  reached: mark.nullable(),
  /** The greatest record that a walk showed. */
  shown: z.string().nullable(),
  /** Gmail ids of the messages that the last walk showed, and that the next one will show again. */
  recent: z.array(z.string()),
  /** What a push spoke of and no walk has shown. */
  awaited: mark.nullable(),
  /** Epoch ms of the last sync that reached its end. */
  syncedAt: z.number().nullable(),
  /** Epoch ms of the last push. */
  pushedAt: z.number().nullable(),
  /** Epoch ms of the last look without a push. */
  polledAt: z.number().nullable(),
  /** The latest ones. */
  gaps: z.array(gap),
});
export type MailboxState = z.output<typeof mailboxState>;

/** Gaps that are kept for operators to see. */
export const KEPT_GAPS = 10;

export const newMailbox = (startedAt: number): MailboxState => ({
  v: 1,
  startedAt,
  historyId: null,
  reached: null,
  shown: null,
  recent: [],
  awaited: null,
  syncedAt: null,
  pushedAt: null,
  polledAt: null,
  gaps: [],
});

/** Where the cursors are. */
export type Mailboxes = Stored<MailboxState>;

export const createMailboxes = (records: Records, tenant: string): Mailboxes =>
  createStored(records, tenant, 'gmail-mailboxes', mailboxState);

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

function createStored<T>(records: Records, tenant: string, collection: string, schema: z.ZodType<T>): Stored<T> {
  const stored = createCollection(records, collection, schema);
  return {
    read: (mailbox) => stored.get(tenant, mailbox),
    // Nothing is deleted, so there is a record afterwards.
    update: async (mailbox, change) => (await stored.update(tenant, mailbox, change)) as T,
  };
}

const watchState = z.object({
  v: z.literal(1),
  /** Epoch ms at which Gmail stops publishing, as it said; null when it was never asked to publish. */
  expiresAt: z.number().nullable(),
  /** Epoch ms from which it is to be asked again. */
  dueAt: z.number(),
  /** Attempts that failed since the last good one. */
  failures: z.number(),
  /** Why the last one failed. */
  code: z.enum(errorCodes).nullable(),
});
export type WatchState = z.output<typeof watchState>;

/** What Gmail publishes for us. Kept apart from the cursors, so that nothing a renewal writes can touch one. */
export type Watches = Stored<WatchState>;

export const newWatch: WatchState = { v: 1, expiresAt: null, dueAt: 0, failures: 0, code: null };

export const createWatches = (records: Records, tenant: string): Watches =>
  createStored(records, tenant, 'gmail-watches', watchState);
