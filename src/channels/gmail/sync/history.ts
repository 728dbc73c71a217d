import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { GmailClient } from '../api/client.ts';
import { GmailFailure } from '../api/failure.ts';
import type { ListedMessage } from '../receive/identify.ts';
import { historyIdSchema } from '../receive/parse.ts';

/** Gmail's ids of messages and threads are hexadecimal; they become names and keys, so nothing else gets through. */
export const gmailId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const listed = z.object({ id: gmailId, threadId: gmailId, labelIds: z.array(z.string()).nullish() });

const page = z.object({
  history: z
    .array(z.object({ id: historyIdSchema, messagesAdded: z.array(z.object({ message: listed })).nullish() }))
    .nullish(),
  nextPageToken: z.string().nullish(),
  historyId: historyIdSchema,
});

export interface HistoryPage {
  /** Messages that were added; one may occur more than once. */
  readonly added: readonly ListedMessage[];
  /** The greatest id among the records; null when there is none. */
  readonly newest: string | null;
  /** The mailbox's current history id, which the index behind this list may not have reached yet. */
  readonly current: string;
  readonly next: string | undefined;
}

/** The most that Gmail gives at once. */
const PAGE_SIZE = 500;

/**
 * Kinds of messages that nobody wrote to this mailbox. They never stop being that, so they cost no event at all: a draft
 * is a new message with every keystroke that saves it.
 */
const neverMail: ReadonlySet<string> = new Set(['DRAFT', 'SENT', 'CHAT']);

/**
 * One page of what happened after `start`: records of every kind, because only then does the list show how far it
 * reaches. Null when `start` is too old or was never one.
 * @throws GmailFailure
 */
export async function listHistory(
  client: GmailClient,
  mailbox: string,
  start: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<HistoryPage | null> {
  const params = {
    userId: mailbox,
    startHistoryId: start,
    maxResults: PAGE_SIZE,
    fields: 'history(id,messagesAdded/message(id,threadId,labelIds)),nextPageToken,historyId',
    ...defined({ pageToken: token }),
  };
  try {
    const { history, historyId, nextPageToken } = await client.call(
      mailbox,
      page,
      (users, options) => users.history.list(params, options),
      signal,
    );
    const records = history ?? [];
    return {
      added: records.flatMap(({ messagesAdded }) => (messagesAdded ?? []).map(({ message }) => message)).filter(isMail),
      newest: records.reduce<string | null>((newest, { id }) => later(newest, id), null),
      current: historyId,
      next: nextPageToken || undefined,
    };
  } catch (error) {
    if (error instanceof GmailFailure && error.status === 404) return null;
    throw error;
  }
}

const isMail = ({ labelIds }: z.output<typeof listed>): boolean => !labelIds?.some((label) => neverMail.has(label));

/** The later of two history ids. They are numbers of 64 bits: as text '9' would follow '10', as numbers they lose digits. */
export const later = (a: string | null, b: string): string => (a !== null && BigInt(a) >= BigInt(b) ? a : b);
