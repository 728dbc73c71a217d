import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { fromBase64 } from '../../../core/crypto/encoding.ts';
import { defined } from '../../../core/defined.ts';
import type { Attachment } from '../../../core/event.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import { cutBetweenWords } from '../../../core/text/cap.ts';
import { htmlToText } from '../../../core/text/html.ts';
import type { Read } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { gmailId } from '../sync/history.ts';
import type { Mailboxes } from '../sync/mailbox-state.ts';
import { floorOf } from '../sync/sync.ts';
import { addressOf, headerOf, nameIn } from './mail-headers.ts';
import { getAttachment, getMessage, type MailMessage, type MailPart } from './messages.ts';

/** Which message an event is about, and where its reply goes: what `messageEvent` wrote. */
export const messageDestination = z.object({ mailbox: z.string(), messageId: gmailId, threadId: gmailId });

/** Fetches a message and decides whether it is for an agent. @throws GmailFailure */
export async function readMessage(
  destination: JsonObject,
  signal: AbortSignal,
  { client, mailboxes, clock }: { readonly client: GmailClient; readonly mailboxes: Mailboxes; readonly clock: Clock },
): Promise<Read> {
  const { mailbox, messageId } = messageDestination.parse(destination);
  const message = await getMessage(client, mailbox, messageId, 'all', signal);
  if (message === null) return ignored('gone');
  const startedAt = (await mailboxes.read(mailbox))?.startedAt ?? 0;
  const reason = whyIgnore(message, mailbox, floorOf(startedAt, clock()));
  if (reason !== undefined) return ignored(reason);
  const attachments = await attachmentsOf(message, mailbox, client, signal);
  const found = attachments.length > 0 ? { attachments } : {};
  return { kind: 'task', content: { ...contentOf(message, mailbox), ...found } };
}

/** Longer texts are not read. */
const MAX_TEXT_BYTES = 64 * 1024;
/** Attachments of one message that are read. */
const MAX_READ = 5;

/** What came with a message; of short texts what they say, from Gmail itself. @throws GmailFailure */
async function attachmentsOf(
  { id: messageId, payload }: MailMessage,
  mailbox: string,
  client: GmailClient,
  signal: AbortSignal,
): Promise<Attachment[]> {
  const attachments: Attachment[] = [];
  for (const part of partsOf(payload).filter(isAttachment)) {
    const { filename, mimeType, body } = part;
    const isRead = mimeType?.startsWith('text/') && (body?.size ?? 0) <= MAX_TEXT_BYTES;
    const id = body?.attachmentId;
    const isFetched = isRead && attachments.length < MAX_READ && id;
    const data = isFetched ? await getAttachment(client, mailbox, { messageId, id }, signal) : body?.data;
    const text = isRead && data ? decode({ ...part, body: { data } }) : undefined;
    attachments.push({
      name: filename || 'attachment',
      type: mimeType || 'application/octet-stream',
      ...defined({ size: body?.size ?? undefined, text }),
    });
  }
  return attachments;
}

const ignored = (reason: MailReason): Read => ({ kind: 'ignored', reason });

function contentOf(message: MailMessage, mailbox: string): (Read & { kind: 'task' })['content'] {
  const header = (name: string): string => headerOf(message.payload.headers, name);
  const subject = header('Subject');
  const text = textOf(message.payload);
  return {
    text: [subject, text].filter((part) => part !== '').join('\n\n'),
    author: { id: addressOf(header('From')) ?? 'unknown', kind: 'user' },
    ...defined({ authorName: nameIn(header('From')) }),
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

/** Why a fetched message is not for an agent; bounded words for the log, and rows of docs/gmail.md. */
type MailReason =
  | 'gone'
  | 'before_start'
  | 'draft'
  | 'sent'
  | 'chat'
  | 'spam'
  | 'trash'
  | 'own_mail'
  | 'auto_submitted'
  | 'bulk'
  | 'mailing_list'
  | 'bounce'
  | 'no_sender';

const labelReasons: Readonly<Record<string, MailReason>> = {
  DRAFT: 'draft',
  SENT: 'sent',
  CHAT: 'chat',
  SPAM: 'spam',
  TRASH: 'trash',
};

/** Values of the old `Precedence` header with which machines ask not to be answered (RFC 3834, section 2). */
const bulk: ReadonlySet<string> = new Set(['bulk', 'list', 'junk', 'auto_reply']);

/**
 * Undefined when a person may be waiting for an answer. Answering machines would never end: two that answer each other
 * go on until somebody's quota is used up (RFC 3834).
 * @param since epoch ms before which messages are none of ours
 */
function whyIgnore(
  { labelIds, internalDate, payload }: MailMessage,
  mailbox: string,
  since: number,
): MailReason | undefined {
  for (const label of labelIds ?? []) {
    const reason = labelReasons[label];
    if (reason !== undefined) return reason;
  }
  if (internalDate < since) return 'before_start';
  const header = (name: string): string => headerOf(payload.headers, name);
  const from = addressOf(header('From'));
  if (from === undefined) return 'no_sender';
  if (from === mailbox) return 'own_mail';
  // RFC 3834, 5: anything but "no" was made by a machine.
  const submitted = header('Auto-Submitted').toLowerCase();
  if (submitted !== '' && !/^no\b/.test(submitted)) return 'auto_submitted';
  if (bulk.has(header('Precedence').toLowerCase())) return 'bulk';
  if (header('List-Id') !== '') return 'mailing_list';
  // RFC 5321, 4.5.5: a null return path belongs to a notification about mail, which must not cause another.
  if (/^<\s*>$/.test(header('Return-Path'))) return 'bounce';
  return undefined;
}

/**
 * Characters of a mail that an agent gets. A person's mail has some thousands; what is longer is quoted history, and all
 * of it would be paid for by the token.
 */
const MAX_TEXT_CHARS = 32_768;
const CUT = '\n[cut]';

/** Parts that are looked at; hostile mail nests without end. */
const MAX_PARTS = 200;

/** What a message says: its plain text parts, or else its HTML parts as text. Attachments are no part of it. */
function textOf(payload: MailPart): string {
  const parts = partsOf(payload).filter((part) => part.mimeType?.startsWith('text/') && !isAttachment(part));
  const plain = parts.filter(({ mimeType }) => mimeType === 'text/plain').map(decode);
  const texts = plain.some((text) => text.trim() !== '')
    ? plain
    : parts.filter(({ mimeType }) => mimeType === 'text/html').map((part) => htmlToText(decode(part)));
  const text = texts.join('\n').replaceAll('\r\n', '\n').trim();
  return text.length > MAX_TEXT_CHARS ? `${cutBetweenWords(text, MAX_TEXT_CHARS)}${CUT}` : text;
}

/** Breadth does not matter and depth is bounded: a list instead of recursion. */
function partsOf(payload: MailPart): MailPart[] {
  const found: MailPart[] = [];
  const waiting: MailPart[] = [payload];
  for (let looked = 0; looked < MAX_PARTS; looked += 1) {
    const part = waiting.shift();
    if (part === undefined) break;
    waiting.unshift(...(part.parts ?? []));
    found.push(part);
  }
  return found;
}

const isAttachment = ({ filename, headers }: MailPart): boolean =>
  (filename ?? '') !== '' || /^attachment\b/i.test(headerOf(headers, 'Content-Disposition'));

/**
 * A part's text. Gmail converts bodies to UTF-8 and leaves the charset in the header as it was (openclaw/gogcli issue
 * 446), so valid UTF-8 is believed first; what is not UTF-8 is what its header says.
 */
function decode({ body, headers }: MailPart): string {
  const bytes = fromBase64(body?.data ?? '');
  if (bytes === null) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(charsetOf(headerOf(headers, 'Content-Type'))).decode(bytes);
  }
}

/** Where the charset is one nobody knows, Latin letters survive in this one, and no byte is invalid in it. */
const FALLBACK = 'windows-1252';

function charsetOf(contentType: string): string {
  const charset = /charset\s*=\s*"?([A-Za-z0-9._:-]{1,40})/i.exec(contentType)?.[1];
  try {
    return new TextDecoder(charset ?? FALLBACK).encoding;
  } catch {
    return FALLBACK;
  }
}
