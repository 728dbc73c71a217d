import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Replier, ReplyContext } from '../channel.ts';
import type { GmailClient } from './client.ts';
import { composeReply } from './compose.ts';
import { GmailFailure, isPassing } from './failure.ts';
import { findReply } from './find-reply.ts';
import { gmailId } from './history.ts';
import { addressOf, headerOf } from './mail-headers.ts';
import { getMessage, type MailMessage } from './messages.ts';
import { messageDestination } from './read-message.ts';

export interface GmailReplierDeps {
  readonly client: GmailClient;
  readonly clock: Clock;
  /** For what a reply repeats of the message it answers. */
  readonly scrub: Scrub;
}

/** What is read of the message that is answered. */
const HEADERS = ['From', 'Reply-To', 'Subject', 'Message-ID', 'References'];

const sent = z.object({ id: gmailId });

/**
 * Milliseconds after which a message that was handed to Gmail is in its thread, or never will be: the call itself has
 * ended by then, on either side.
 */
const SHOWN_AFTER_MS = 20_000;

/** Answers mail by mail, as text, in the thread of the message that is answered. */
export function createGmailReplier({ client, clock, scrub }: GmailReplierDeps): Replier {
  return {
    async send({ text }, context) {
      const { mailbox, messageId, threadId } = destinationOf(context);
      const original = await getMessage(client, mailbox, messageId, HEADERS, context.signal).catch(refuseReply);
      const raw = Buffer.from(composeReply({ ...answering(original, mailbox, scrub), replyId: context.replyId, text }));
      const requestBody = { raw: raw.toString('base64url'), threadId };
      try {
        const request = { userId: mailbox, requestBody };
        await client.call(mailbox, sent, (users, options) => users.messages.send(request, options), context.signal);
        return { kind: 'delivered' };
      } catch (error) {
        if (isDoubtful(error)) return { kind: 'ambiguous' };
        return refuseReply(error);
      }
    },
    async find(context, sinceMs) {
      const { mailbox, threadId } = destinationOf(context);
      const sought = { mailbox, threadId, replyId: context.replyId };
      const found = await findReply(client, sought, context.signal).catch(refuseReply);
      const early = sinceMs + SHOWN_AFTER_MS - clock();
      if (found !== 'absent' || early <= 0) return found;
      throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'too early to tell', { retryAfterMs: early });
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

/** Gmail may have sent it: no answer came, a server failed, or what it answered is not what it documents. */
const isDoubtful = (error: unknown): boolean =>
  error instanceof GmailFailure ? error.status === null || error.status >= 500 : error instanceof SallyportError;

/** Certainly not sent. @throws always */
function refuseReply(error: unknown): never {
  if (!(error instanceof GmailFailure))
    throw new SallyportError('ERR_REPLY_REJECTED', 'the answer is not what Gmail documents');
  if (!isPassing(error)) throw new SallyportError('ERR_REPLY_REJECTED', 'Gmail refuses the reply');
  const detail = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs };
  throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'Gmail cannot take the reply now', detail);
}
