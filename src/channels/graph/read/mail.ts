import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import { htmlToText } from '../../../core/text/html.ts';
import type { ReadContent } from '../../channel.ts';

/** Carries the id of our reply in the mailbox; a named property of our own (MS-OXPROPS, 1.3.2). */
export const REPLY_PROPERTY = 'String {5d1f2c0e-7c39-4c6f-9f0b-2a8e5a6f3b71} Name SallyportReply';

/** The same on the way: it tells our mail when it comes back to a mailbox we read. */
export const REPLY_HEADER = 'x-sallyport-reply';

/** What is asked for when a mail is fetched. */
export const mailQuery: Readonly<Record<string, string>> = {
  $select:
    'id,subject,body,from,sender,toRecipients,ccRecipients,conversationId,internetMessageId,internetMessageHeaders,' +
    'createdDateTime,receivedDateTime,isDraft,parentFolderId,hasAttachments',
  $expand: `singleValueExtendedProperties($filter=id eq '${REPLY_PROPERTY}')`,
};

const text = z.string().nullish();
const recipient = z.looseObject({ emailAddress: z.looseObject({ address: text, name: text }).nullish() }).nullish();

const mailSchema = z.looseObject({
  id: text,
  subject: text,
  body: z.looseObject({ contentType: text, content: text }),
  from: recipient,
  sender: recipient,
  conversationId: text,
  internetMessageId: text,
  internetMessageHeaders: z.array(z.looseObject({ name: text, value: text })).nullish(),
  createdDateTime: text,
  receivedDateTime: text,
  isDraft: z.boolean().nullish(),
  parentFolderId: text,
  hasAttachments: z.boolean().nullish(),
  singleValueExtendedProperties: z.array(z.looseObject({ id: text })).nullish(),
});
type Mail = z.infer<typeof mailSchema>;

/** By what our own mail is known. */
export interface OwnMailbox {
  /** Lower case. */
  readonly addresses: ReadonlySet<string>;
  /** Where sent mail lies; null when the mailbox does not say. */
  readonly sentItemsId: string | null;
}

/** Null when it lacks what an agent needs, as the content of a rich notification may. */
export function readMail(value: JsonObject, own: OwnMailbox): Message | null {
  const mail = mailSchema.safeParse(value).data;
  if (mail === undefined) return null;
  const from = mail.from?.emailAddress ?? mail.sender?.emailAddress;
  const body = mail.body.content ?? '';
  const plain = mail.body.contentType?.toLowerCase() === 'html' ? htmlToText(body) : body.trim();
  return {
    id: mail.id ?? undefined,
    createdAt: timeOf(mail.createdDateTime ?? mail.receivedDateTime),
    hasAttachments: mail.hasAttachments === true,
    irrelevance: whyIgnore(mail, from?.address?.toLowerCase(), own),
    content: {
      text: [mail.subject ?? '', plain].filter(Boolean).join('\n\n'),
      author: from?.address ? { id: from.address, kind: 'user' } : { id: 'unknown', kind: 'unknown' },
      ...defined({ authorName: from?.name || undefined }),
      payload: withoutHeaders(value),
    },
  };
}

function whyIgnore(mail: Mail, from: string | undefined, own: OwnMailbox): string | null {
  const headers = new Map(mail.internetMessageHeaders?.map(({ name, value }) => [name?.toLowerCase(), value ?? '']));
  const isReply = mail.singleValueExtendedProperties?.some(
    ({ id }) => id?.toLowerCase() === REPLY_PROPERTY.toLowerCase(),
  );
  if (isReply || headers.has(REPLY_HEADER)) return 'own_message';
  if (mail.isDraft) return 'draft';
  if (own.sentItemsId !== null && mail.parentFolderId === own.sentItemsId) return 'own_message';
  if (from !== undefined && own.addresses.has(from)) return 'own_message';
  return isAutomatic(headers) ? 'automatic_message' : null;
}

/** RFC 3834, 2: who answers automatically does not answer what was sent automatically. */
function isAutomatic(headers: ReadonlyMap<string | undefined, string>): boolean {
  const submitted = headers.get('auto-submitted')?.trim().toLowerCase() ?? 'no';
  const precedence = headers.get('precedence')?.trim().toLowerCase() ?? '';
  return !submitted.startsWith('no') || ['bulk', 'junk', 'list', 'auto_reply'].includes(precedence);
}

/** Routes and signatures of the journey are nothing an agent needs. */
function withoutHeaders(value: JsonObject): JsonObject {
  const { internetMessageHeaders: _headers, singleValueExtendedProperties: _properties, ...rest } = value;
  return rest;
}

/** A message as far as it decides what becomes of its event. */
export interface Message {
  /** As Graph names it now; absent where it was not asked for. */
  readonly id: string | undefined;
  /** Epoch ms; null where Graph did not say. */
  readonly createdAt: number | null;
  /** More came with it, which has to be asked for. */
  readonly hasAttachments?: boolean;
  /** Why nobody should answer it; null when somebody should. A bounded word. */
  readonly irrelevance: string | null;
  readonly content: Pick<ReadContent, 'text' | 'author' | 'payload'> &
    Partial<Pick<ReadContent, 'authorName' | 'attachments'>>;
}

/** Graph writes up to seven digits of a second; `Date.parse` reads three of them, which is enough. */
export function timeOf(text: string | null | undefined): number | null {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? null : at;
}
