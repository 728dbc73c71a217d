import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { GmailClient } from '../api/client.ts';
import { GmailFailure } from '../api/failure.ts';
import type { ListedMessage } from '../receive/identify.ts';
import { historyIdSchema } from '../receive/parse.ts';
import { gmailId } from '../sync/history.ts';

const page = z.object({
  messages: z.array(z.object({ id: gmailId, threadId: gmailId })).nullish(),
  nextPageToken: z.string().nullish(),
});

export interface MessagePage {
  readonly messages: readonly ListedMessage[];
  readonly next: string | undefined;
}

/** The most that Gmail gives at once. */
const PAGE_SIZE = 500;

/** One page of the mail that reached the mailbox since then, newest first. @throws GmailFailure */
export async function listMessages(
  client: GmailClient,
  mailbox: string,
  since: number,
  token: string | undefined,
  signal: AbortSignal,
): Promise<MessagePage> {
  // Whole seconds, and `after:` leaves out the second it names.
  const q = `after:${Math.floor(since / 1000) - 1} -in:sent -in:drafts -in:chats`;
  const params = { userId: mailbox, q, maxResults: PAGE_SIZE, ...defined({ pageToken: token }) };
  const found = await client.call(mailbox, page, (users, options) => users.messages.list(params, options), signal);
  return { messages: found.messages ?? [], next: found.nextPageToken || undefined };
}

const header = z.object({ name: z.string(), value: z.string() });
export type MailHeader = z.output<typeof header>;

const part = z.object({
  mimeType: z.string().nullish(),
  filename: z.string().nullish(),
  headers: z.array(header).nullish(),
  body: z
    .object({ data: z.string().nullish(), size: z.number().nullish(), attachmentId: z.string().nullish() })
    .nullish(),
  get parts() {
    return z.array(part).nullish();
  },
});
export type MailPart = z.output<typeof part>;

const message = z.object({
  id: gmailId,
  threadId: gmailId,
  labelIds: z.array(z.string()).nullish(),
  internalDate: z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number),
  payload: part,
});
export type MailMessage = z.output<typeof message>;

/**
 * A message: whole, or with the named headers alone. Null when it is gone.
 * @throws GmailFailure
 */
export async function getMessage(
  client: GmailClient,
  mailbox: string,
  id: string,
  metadataHeaders: readonly string[] | 'all',
  signal: AbortSignal,
): Promise<MailMessage | null> {
  const format =
    metadataHeaders === 'all' ? { format: 'full' } : { format: 'metadata', metadataHeaders: [...metadataHeaders] };
  const params = { userId: mailbox, id, ...format };
  return client
    .call(mailbox, message, (users, options) => users.messages.get(params, options), signal)
    .catch(nullWhenGone);
}

const attachment = z.object({ data: z.string() });

/** An attachment's bytes in base64. Null when it is gone. @throws GmailFailure */
export async function getAttachment(
  client: GmailClient,
  mailbox: string,
  { messageId, id }: { readonly messageId: string; readonly id: string },
  signal: AbortSignal,
): Promise<string | null> {
  const params = { userId: mailbox, messageId, id };
  const found = await client
    .call(mailbox, attachment, (users, options) => users.messages.attachments.get(params, options), signal)
    .catch(nullWhenGone);
  return found?.data ?? null;
}

/** Gmail's answer for what is not there, or not any more. */
export function nullWhenGone(error: unknown): null {
  if (error instanceof GmailFailure && error.status === 404) return null;
  throw error;
}

const profile = z.object({ historyId: historyIdSchema });

/** The mailbox's current history id. @throws GmailFailure */
export async function currentHistoryId(client: GmailClient, mailbox: string, signal: AbortSignal): Promise<string> {
  const params = { userId: mailbox };
  return (await client.call(mailbox, profile, (users, options) => users.getProfile(params, options), signal)).historyId;
}
