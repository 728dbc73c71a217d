import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { composeBody } from '../read/mail-body.ts';

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
  return toUtf8(`${head}\r\n${composeBody(mail.text)}`);
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
