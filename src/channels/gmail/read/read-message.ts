import { z } from 'zod';
import type { JsonObject } from '../../../core/json/json.ts';
import type { Read } from '../../channel.ts';
import { gmailId } from '../sync/history.ts';
import { floorOf } from '../sync/resync.ts';
import type { SyncDeps } from '../sync/session.ts';
import { addressOf, headerOf } from './mail-headers.ts';
import { textOf } from './mail-text.ts';
import { getMessage, type MailMessage } from './messages.ts';
import { type MailReason, whyIgnore } from './relevance.ts';

/** Which message an event is about, and where its reply goes: what `messageEvent` wrote. */
export const messageDestination = z.object({ mailbox: z.string(), messageId: gmailId, threadId: gmailId });

/** Fetches a message and decides whether it is for an agent. @throws GmailFailure */
export async function readMessage(destination: JsonObject, signal: AbortSignal, deps: SyncDeps): Promise<Read> {
  const { mailbox, messageId } = messageDestination.parse(destination);
  const message = await getMessage(deps.client, mailbox, messageId, 'all', signal);
  if (message === null) return ignored('gone');
  const startedAt = (await deps.mailboxes.read(mailbox))?.startedAt ?? 0;
  const reason = whyIgnore(message, mailbox, floorOf(startedAt, deps.clock()));
  return reason === undefined ? { kind: 'task', content: contentOf(message, mailbox) } : ignored(reason);
}

const ignored = (reason: MailReason): Read => ({ kind: 'ignored', reason });

function contentOf(message: MailMessage, mailbox: string): (Read & { kind: 'task' })['content'] {
  const header = (name: string): string => headerOf(message.payload.headers, name);
  const subject = header('Subject');
  const text = textOf(message.payload);
  return {
    text: [subject, text].filter((part) => part !== '').join('\n\n'),
    author: { id: addressOf(header('From')) ?? 'unknown', kind: 'user' },
    payload: {
      mailbox,
      messageId: message.id,
      threadId: message.threadId,
      subject,
      from: header('From'),
      to: header('To'),
      cc: header('Cc'),
      date: new Date(message.internalDate).toISOString(),
      text,
    },
  };
}
