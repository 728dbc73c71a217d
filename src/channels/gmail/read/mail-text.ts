import { fromBase64 } from '../../../core/crypto/encoding.ts';
import { cutBetweenWords } from '../../../core/text/cap.ts';
import { htmlToText } from '../../../core/text/html.ts';
import { headerOf } from './mail-headers.ts';
import type { MailPart } from './messages.ts';

/**
 * Characters of a mail that an agent gets. A person's mail has some thousands; what is longer is quoted history, and all
 * of it would be paid for by the token.
 */
const MAX_TEXT_CHARS = 32_768;
const CUT = '\n[cut]';

/** Parts that are looked at; hostile mail nests without end. */
const MAX_PARTS = 200;

/** What a message says: its plain text parts, or else its HTML parts as text. Attachments are not read. */
export function textOf(payload: MailPart): string {
  const parts = spokenParts(payload);
  const plain = parts.filter(({ mimeType }) => mimeType === 'text/plain').map(decode);
  const texts = plain.some((text) => text.trim() !== '')
    ? plain
    : parts.filter(({ mimeType }) => mimeType === 'text/html').map((part) => htmlToText(decode(part)));
  const text = texts.join('\n').replaceAll('\r\n', '\n').trim();
  return text.length > MAX_TEXT_CHARS ? `${cutBetweenWords(text, MAX_TEXT_CHARS)}${CUT}` : text;
}

/** Breadth does not matter and depth is bounded: a list instead of recursion. */
function spokenParts(payload: MailPart): MailPart[] {
  const spoken: MailPart[] = [];
  const waiting: MailPart[] = [payload];
  for (let looked = 0; looked < MAX_PARTS; looked += 1) {
    const part = waiting.shift();
    if (part === undefined) break;
    waiting.unshift(...(part.parts ?? []));
    if (part.mimeType?.startsWith('text/') && !isAttachment(part)) spoken.push(part);
  }
  return spoken;
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
