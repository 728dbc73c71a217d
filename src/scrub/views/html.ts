import { decodeHTMLStrict } from 'entities';
import type { Decoder } from './decoder.ts';
import { charOf, type Decoded, decodeView } from './view.ts';

/** Character references (HTML, 13.5). */
const REFERENCE = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));/y;
const TAG = /<\/?([A-Za-z][A-Za-z0-9]{0,12})(?:[\s/][^<>]{0,300})?>/y;

/** Named characters that part words or letters for the eye alone, as what a secret is written with. */
const PLAINER: ReadonlyMap<string, string> = new Map([
  ['\u00a0', ' '],
  ['\u2010', '-'],
  ['\u00ad', ''],
  ['\u200c', ''],
  ['\u200d', ''],
]);

/** Tags that part no word; all others do. A table cell or a definition follows what names it. */
const INLINE = new Set(
  'b strong i em u s span font code tt kbd samp mark small wbr a at sub sup big del ins var'.split(' '),
);
const CELL = new Set(['td', 'dd']);
/** Their end does not part them from the cell that follows. */
const NAMING = new Set(['th', 'dt']);

/** What a browser would show: mail and Teams messages are HTML. Markup that is not HTML keeps its tags. */
export const html: Decoder = {
  mark: '&<',
  occurs: (text) =>
    /&[#A-Za-z]|<\/?(?:p|div|br|b|strong|span|table|t[dr]|html|body|a|li|code|pre|em|i|at|wbr)[\s/>]/i.test(text),
  decode: (text) => decodeView(text, nextEscape, decodeAt),
};

function nextEscape(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) if (text[at] === '&' || text[at] === '<') return at;
  return -1;
}

function decodeAt(text: string, at: number): Decoded | null {
  if (text[at] === '<') return decodeTag(text, at);
  REFERENCE.lastIndex = at;
  const match = REFERENCE.exec(text);
  if (match === null) return null;
  const [{ length }, decimal, hex, name] = match;
  if (name !== undefined) {
    const char = named(name);
    return char === null ? null : { text: char, length };
  }
  return { text: charOf(decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)), length };
}

/** What names came to; of names that HTML knows only, which are few. */
const found = new Map<string, string>();

/** Null for a name that HTML does not know. */
function named(name: string): string | null {
  const known = found.get(name);
  if (known !== undefined) return known;
  const reference = `&${name};`;
  const char = decodeHTMLStrict(reference);
  if (char === reference) {
    const lower = name.toLowerCase();
    return lower === name ? null : named(lower);
  }
  const plainer = PLAINER.get(char) ?? char;
  found.set(name, plainer);
  return plainer;
}

const QUOTING = /&(?!amp;)[#A-Za-z]/;

const KNOWN = new Set(
  (
    'p div br hr table tbody thead tr th html head body li ul ol dl dt pre h1 h2 h3 h4 h5 h6 blockquote center section ' +
    'article header footer main nav aside figure img input button label form select option style meta link title'
  ).split(' '),
);

function decodeTag(text: string, at: number): Decoded | null {
  TAG.lastIndex = at;
  const match = TAG.exec(text);
  if (match === null) return null;
  const tag = (match[1] as string).toLowerCase();
  // Attributes that escape more than `&` may quote a secret: only the tag's name goes, and they are read on.
  const length = QUOTING.test(match[0]) ? match[0].indexOf(match[1] as string) + tag.length : match[0].length;
  if (INLINE.has(tag)) return { text: '', length };
  if (CELL.has(tag)) return { text: text[at + 1] === '/' ? ' ' : ':', length };
  if (NAMING.has(tag) && text[at + 1] === '/') return { text: ' ', length };
  return KNOWN.has(tag) ? { text: '\n', length } : null;
}
