import { escapeText, renderMailHtml } from './html.ts';
import { cutMarkdown } from './split.ts';

/** A reply as mail. */
export interface MailBody {
  readonly plain: string;
  /** Absent when the text needs no form. */
  readonly html?: string;
}

/** Markdown of at most `size` UTF-16 code units as mail, the disclosure included: a line of its own below the text. */
export function renderMail(markdown: string, disclosure: string | undefined, size: number): MailBody {
  const footer = disclosure === undefined ? '' : `\n\n---\n${disclosure}`;
  const text = cutMarkdown(markdown, size - footer.length);
  const html = renderMailHtml(text);
  const plain = `${text}${footer}`;
  if (html === undefined) return { plain };
  return {
    plain,
    html: disclosure === undefined ? html : `${html}\n<hr>\n<p><small>${escapeText(disclosure)}</small></p>`,
  };
}
