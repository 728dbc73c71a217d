import { z } from 'zod';
import type { GmailClient } from '../api/client.ts';
import { headerOf } from '../read/mail-headers.ts';
import { nullWhenGone } from '../read/messages.ts';
import { gmailId } from '../sync/history.ts';
import { messageIdOf, REPLY_HEADER } from './compose.ts';

export interface SoughtReply {
  readonly mailbox: string;
  readonly threadId: string;
  readonly replyId: string;
}

const headers = z.array(z.object({ name: z.string(), value: z.string() })).nullish();
const shown = z.object({ payload: z.object({ headers }).nullish() });
const thread = z.object({ messages: z.array(shown).nullish() });
const found = z.object({ messages: z.array(z.object({ id: gmailId })).nullish() });

/**
 * Looks for a reply of ours: in its thread, which shows a sent message at once, and then by its Message-ID in the whole
 * mailbox. `unknown`: the thread is gone, and a reply that is not found by its id may have gone with it.
 * @throws GmailFailure
 */
export async function findReply(
  client: GmailClient,
  { mailbox, threadId, replyId }: SoughtReply,
  signal: AbortSignal,
): Promise<'delivered' | 'absent' | 'unknown'> {
  const messageId = messageIdOf(replyId, mailbox);
  const params = { userId: mailbox, id: threadId, format: 'metadata', metadataHeaders: ['Message-ID', REPLY_HEADER] };
  const known = await client
    .call(mailbox, thread, (users, options) => users.threads.get(params, options), signal)
    .catch(nullWhenGone);
  const isOurs = ({ payload }: z.output<typeof shown>): boolean =>
    headerOf(payload?.headers, REPLY_HEADER) === replyId || headerOf(payload?.headers, 'Message-ID') === messageId;
  if (known?.messages?.some(isOurs)) return 'delivered';
  const search = { userId: mailbox, q: `rfc822msgid:${messageId.slice(1, -1)}`, includeSpamTrash: true };
  const hits = await client.call(mailbox, found, (users, options) => users.messages.list(search, options), signal);
  if ((hits.messages ?? []).length > 0) return 'delivered';
  return known === null ? 'unknown' : 'absent';
}
