import { z } from 'zod';
import type { Records } from '../../../queue/records.ts';
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
