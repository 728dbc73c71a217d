import { decodeHTMLStrict } from 'entities';
import { Tokenizer } from 'htmlparser2';

/** Elements that stand on lines of their own. */
const blocks: ReadonlySet<string> = new Set(
  (
    'address article aside blockquote br caption center dd details div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 header hr legend li main nav ol p pre section summary table tr ul'
  ).split(' '),
);

const cells: ReadonlySet<string> = new Set(['td', 'th']);

/** Elements whose content nobody sees. */
const hidden: ReadonlySet<string> = new Set('iframe noembed noframes noscript script style template title'.split(' '));

/** Pictures that are words: Teams writes emoji so. */
const pictures: ReadonlySet<string> = new Set(['img', 'emoji']);

/** Characters of a picture's words that count as such; what is longer describes it. */
const MAX_ALT_CHARS = 64;

/**
 * What a person would read of a mail, a chat message or a page, without its markup. Broken HTML is read as browsers read
 * it: what begins no tag is text, a tag or comment that is not closed reaches to the end, references need no semicolon
 * where old ones had none.
 *
 * One pass without a stack, because what a stranger wrote may not cost more than its length: of htmlparser2 only the
 * tokenizer is used, as its parser searches all open elements at each closing tag.
 */
export function htmlToText(html: string): string {
  let text = '';
  /** The element whose end is waited for; empty where text is seen. */
  let unseen = '';
  let picture = false;
  let attribute = '';
  let alt: string | null = null;
  const open = (): void => {
    if (picture && unseen === '' && alt !== null && alt.length <= MAX_ALT_CHARS) text += alt;
    picture = false;
    alt = null;
  };
  const part = (name: string): void => {
    if (unseen !== '') return;
    if (blocks.has(name)) text += '\n';
    else if (cells.has(name)) text += ' ';
  };
  const ignore = (): void => {};
  const tokenizer = new Tokenizer(
    {},
    {
      ontext: (start, end) => {
        // A name that the end cuts off while it may still become `script` or the like is given as text, without its `<`.
        const isCutTag = html[start - 1] === '<' && html[start] !== '<';
        if (unseen === '' && !isCutTag) text += html.slice(start, end).replace(/\s+/g, ' ');
      },
      ontextentity: (point) => {
        if (unseen === '') text += String.fromCodePoint(point);
      },
      onopentagname: (start, end) => {
        const name = html.slice(start, end).toLowerCase();
        part(name);
        picture = pictures.has(name);
        if (unseen === '' && hidden.has(name)) unseen = name;
      },
      onopentagend: open,
      onselfclosingtag: open,
      onclosetag: (start, end) => {
        const name = html.slice(start, end).toLowerCase();
        part(name);
        if (name === unseen) unseen = '';
      },
      onattribname: (start, end) => {
        // Of a repeated attribute the first counts.
        attribute = picture && alt === null ? html.slice(start, end).toLowerCase() : '';
      },
      onattribdata: (start, end) => {
        if (attribute === 'alt') alt = (alt ?? '') + html.slice(start, end);
      },
      onattribentity: (point) => {
        if (attribute === 'alt') alt = (alt ?? '') + String.fromCodePoint(point);
      },
      ...{ onattribend: ignore, oncdata: ignore, oncomment: ignore, ondeclaration: ignore, onend: ignore },
      onprocessinginstruction: ignore,
    },
  );
  tokenizer.write(html);
  tokenizer.end();
  return tidy(text);
}

const tidy = (text: string): string =>
  text
    .replaceAll('\u00a0', ' ')
    .split('\n')
    .map((line) => line.replace(/ {2,}/g, ' ').trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();

/** HTML (13.5) knows no longer name than `CounterClockwiseContourIntegral`; of digits CommonMark (2.5) takes so many. */
const REFERENCE = /&(?:#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6})|[A-Za-z][A-Za-z0-9]{1,30});/g;
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Character references of plain text as what they stand for; unknown ones and control characters stay as they are. */
export const decodeReferences = (text: string): string =>
  text.includes('&')
    ? text.replace(REFERENCE, (reference) => {
        const decoded = decodeHTMLStrict(reference);
        return CONTROL.test(decoded) ? reference : decoded;
      })
    : text;
