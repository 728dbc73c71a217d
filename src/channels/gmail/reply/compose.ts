import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { renderMail } from '../../shared/markdown/mail.ts';

/** What a reply is made of. Header values hold no line breaks: `headerOf` takes them out. */
export interface ReplyMail {
  readonly mailbox: string;
  readonly to: string;
  /** Of the message that is answered. */
  readonly subject: string;
  /** `Message-ID` of the message that is answered; '' when it has none. */
  readonly inReplyTo: string;
  /** Its `References`. */
  readonly references: string;
  readonly replyId: string;
  /** Markdown. */
  readonly text: string;
  /** `ReplyMessage.disclosure` */
  readonly disclosure?: string | undefined;
}

/** The header by which a reply of ours is known again, whatever Gmail makes of its Message-ID. */
export const REPLY_HEADER = 'X-Sallyport-Reply';

/** The same in every attempt, so that a reply can be searched for. Gmail keeps ids of this form. */
export const messageIdOf = (replyId: string, mailbox: string): string =>
  `<${replyId}.sallyport@${mailbox.slice(mailbox.indexOf('@') + 1)}>`;

/** The reply as an RFC 5322 message, in bytes of ASCII: as plain text, and as HTML too where the text has a form. */
export function composeReply(mail: ReplyMail): Uint8Array {
  const { mailbox, replyId, inReplyTo } = mail;
  const headers: [string, string][] = [
    ['From', mailbox],
    ['To', mail.to],
    ['Subject', encodeWords(replySubject(mail.subject))],
    ['Message-ID', messageIdOf(replyId, mailbox)],
    ...(inReplyTo === ''
      ? []
      : ([
          ['In-Reply-To', inReplyTo],
          ['References', referencesOf(mail)],
        ] as [string, string][])),
    // RFC 3834, 3.1.7: other machines leave it unanswered.
    ['Auto-Submitted', 'auto-replied'],
    [REPLY_HEADER, replyId],
    ['MIME-Version', '1.0'],
  ];
  const head = headers.map(([name, value]) => `${name}: ${value}`).join('\r\n');
  return toUtf8(`${head}\r\n${composeBody(mail)}`);
}

/** Ids beyond these would make the header longer than servers take; the first and the latest carry the thread. */
const MAX_REFERENCES = 20;

function referencesOf({ references, inReplyTo }: ReplyMail): string {
  const ids = [...references.split(/\s+/), inReplyTo].filter((id) => /^<[\x21-\x7e]{1,250}>$/.test(id));
  const kept = ids.length > MAX_REFERENCES ? [...ids.slice(0, 1), ...ids.slice(1 - MAX_REFERENCES)] : ids;
  // Folded, because a line may have 998 characters (RFC 5322, 2.1.1).
  return kept.join('\r\n ');
}

const replySubject = (subject: string): string => (/^re:/i.test(subject) ? subject : `Re: ${subject}`.trim());

/** Bytes of UTF-8 in one encoded word: a line with one has 76 characters at most (RFC 2047, 2), "Subject: " included. */
const WORD_BYTES = 39;
const MAX_SUBJECT_CHARS = 500;

/** A header value as RFC 2047 wants it: as it is when it is short ASCII, else in encoded words on lines of their own. */
function encodeWords(value: string): string {
  const text = Array.from(value).slice(0, MAX_SUBJECT_CHARS).join('');
  if (/^[\x20-\x7e]{0,70}$/.test(text)) return text;
  const words: string[] = [];
  let word = '';
  for (const char of text) {
    // No character may be cut in two.
    if (toUtf8(word + char).length > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += char;
  }
  return [...words, word].map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`).join('\r\n ');
}

/** UTF-16 code units of a reply. Gmail sends up to 25 MB (support.google.com/mail/answer/6584); nobody reads this much. */
const MAX_CHARS = 200_000;

/** No line of base64 holds a hyphen, so none can be mistaken for it (RFC 2046, 5.1.1). */
const BOUNDARY = '=-sallyport-alternative-=';

/** The last headers of a reply and its body, which is written in Markdown. The plainest form comes first (RFC 2046, 5.1.4). */
function composeBody({ text, disclosure }: ReplyMail): string {
  const body = renderMail(text, disclosure, MAX_CHARS);
  const plain = partOf('plain', body.plain);
  const { html } = body;
  if (html === undefined) return plain;
  const parts = [plain, partOf('html', html)].map((part) => `--${BOUNDARY}\r\n${part}`).join('');
  return `Content-Type: multipart/alternative; boundary="${BOUNDARY}"\r\n\r\n${parts}--${BOUNDARY}--\r\n`;
}

const partOf = (kind: 'plain' | 'html', text: string): string =>
  [`Content-Type: text/${kind}; charset=UTF-8`, 'Content-Transfer-Encoding: base64', '', bodyLines(text), ''].join(
    '\r\n',
  );

/** RFC 2045, 6.8: lines of at most 76 characters. */
const bodyLines = (text: string): string =>
  (
    Buffer.from(text.replace(/\r?\n/g, '\r\n'))
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\r\n');
