import { renderMailHtml } from '../../shared/markdown/html.ts';
import { cutMarkdown } from '../../shared/markdown/split.ts';

/** UTF-16 code units of a reply. Gmail sends up to 25 MB (support.google.com/mail/answer/6584); nobody reads this much. */
const MAX_CHARS = 200_000;

/** No line of base64 holds a hyphen, so none can be mistaken for it (RFC 2046, 5.1.1). */
const BOUNDARY = '=-sallyport-alternative-=';

/** The last headers of a reply and its body, which is written in Markdown. The plainest form comes first (RFC 2046, 5.1.4). */
export function composeBody(markdown: string): string {
  const text = cutMarkdown(markdown, MAX_CHARS);
  const html = renderMailHtml(text);
  const plain = partOf('plain', text);
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
