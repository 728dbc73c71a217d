import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import { provesRefusal } from '../../../net/call-outcome.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Replier, ReplyContext } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { detailOfFailure, GmailFailure, isPassing } from '../api/failure.ts';
import { addressOf, headerOf } from '../read/mail-headers.ts';
import { getMessage, type MailMessage, nullWhenGone } from '../read/messages.ts';
import { messageDestination } from '../read/read-message.ts';
import { gmailId } from '../sync/history.ts';
import { composeReply, messageIdOf, REPLY_HEADER } from './compose.ts';

/** What is read of the message that is answered. */
const HEADERS = ['From', 'Reply-To', 'Subject', 'Message-ID', 'References'];

const sent = z.object({ id: gmailId });

/** Answers mail by mail, as text, in the thread of the message that is answered. */
export function createGmailReplier({
  client,
  scrub,
}: {
  readonly client: GmailClient;
  /** For what a reply repeats of the message it answers. */
  readonly scrub: Scrub;
}): Replier {
  return {
    async send(message, context) {
      const { mailbox, messageId, threadId } = destinationOf(context);
      const original = await getMessage(client, mailbox, messageId, HEADERS, context.signal).catch(refuseReply);
      const { replyId } = context;
      const raw = Buffer.from(composeReply({ ...answering(original, mailbox, scrub), replyId, ...message }));
      const request = { userId: mailbox, requestBody: { raw: raw.toString('base64url'), threadId } };
      const call = await context.begin();
      try {
        await client.call(mailbox, sent, (users, options) => users.messages.send(request, options), call);
        return { kind: 'delivered' };
      } catch (error) {
        if (isDoubtful(error)) return { kind: 'ambiguous', ...defined({ why: whyOf(error) }) };
        return refuseReply(error);
      }
    },
    async find(context) {
      const { mailbox, threadId } = destinationOf(context);
      const sought = { mailbox, threadId, replyId: context.replyId };
      return findReply(client, sought, context.signal).catch(refuseReply);
    },
  };
}

function destinationOf({ destination }: ReplyContext): z.output<typeof messageDestination> {
  const parsed = messageDestination.safeParse(destination);
  if (parsed.success) return parsed.data;
  throw new SallyportError('ERR_REPLY_REJECTED', 'the event is no message that could be answered');
}

function answering(original: MailMessage | null, mailbox: string, scrub: Scrub) {
  const header = (name: string): string => headerOf(original?.payload.headers, name);
  const cleaned = (name: string): string => scrub(header(name)).value;
  const senderIn = (read: typeof header) => addressOf(read('Reply-To')) ?? addressOf(read('From'));
  const to = senderIn(header);
  // It cannot be cleaned and still be answered, and what is answered keeps it in the mailbox.
  if (to !== senderIn(cleaned)) throw new SallyportError('ERR_REPLY_REJECTED', 'the address to answer holds a secret');
  // Whoever is answered must be somebody else, or the answer would come back to be answered.
  if (to === undefined || to === mailbox) {
    throw new SallyportError('ERR_REPLY_REJECTED', 'nobody is left to be answered');
  }
  const messageId = cleaned('Message-ID');
  const inReplyTo = /^<[\x21-\x7e]{1,250}>$/.test(messageId) ? messageId : '';
  return { mailbox, to, subject: cleaned('Subject'), inReplyTo, references: cleaned('References') };
}

/** Gmail may have sent it: no answer came, or none that proves the contrary, or not one that Gmail documents. */
const isDoubtful = (error: unknown): boolean =>
  !(error instanceof GmailFailure) || (error.status === null ? error.mayHaveHappened : !provesRefusal(error.status));

const whyOf = (error: unknown): string | undefined =>
  error instanceof GmailFailure ? detailOfFailure(error).reason : undefined;

/** Certainly not sent. @throws always */
function refuseReply(error: unknown): never {
  if (!(error instanceof GmailFailure))
    throw new SallyportError('ERR_REPLY_REJECTED', 'the answer is not what Gmail documents');
  const detail = detailOfFailure(error);
  if (!isPassing(error)) throw new SallyportError('ERR_REPLY_REJECTED', 'Gmail refuses the reply', detail);
  throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'Gmail cannot take the reply now', detail);
}

interface SoughtReply {
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
async function findReply(
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
