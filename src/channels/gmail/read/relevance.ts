import { addressOf, headerOf } from './mail-headers.ts';
import type { MailMessage } from './messages.ts';

/** Why a fetched message is not for an agent; bounded words for the log, and rows of docs/gmail.md. */
export type MailReason =
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
export function whyIgnore(
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
