import { z } from 'zod';
import type { Records } from '../../queue/records.ts';
import { createStored, type Stored } from './stored.ts';

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

const mailboxState = z.object({
  v: z.literal(1),
  /** Epoch ms from which this mailbox is ours: what reached it before is nobody's business. */
  startedAt: z.number(),
  /** The cursor: everything up to it has been accepted. Null until there is one. */
  historyId: z.string().nullable(),
  /** A history id beyond the cursor that Gmail named without showing what led to it, and since when. */
  observed: z.object({ historyId: z.string(), at: z.number() }).nullable(),
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
  observed: null,
  syncedAt: null,
  pushedAt: null,
  polledAt: null,
  gaps: [],
});

/** Where the cursors are. */
export type Mailboxes = Stored<MailboxState>;

export const createMailboxes = (records: Records, tenant: string): Mailboxes =>
  createStored(records, tenant, 'gmail-mailboxes', mailboxState);
