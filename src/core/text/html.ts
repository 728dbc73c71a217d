/** What a person would read of a mail or a chat message, without its markup. */

/** Elements that stand on lines of their own. */
const blocks: ReadonlySet<string> = new Set(
  'address article aside blockquote br dd div dl dt figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tr ul'.split(
    ' ',
  ),
);

/** Elements whose content nobody sees. */
const hidden: ReadonlySet<string> = new Set(['head', 'noscript', 'script', 'style', 'template', 'title']);

/** Pictures that are words: Teams writes emoji so. */
const pictures: ReadonlySet<string> = new Set(['img', 'emoji']);

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  hellip: '…',
  ldquo: '“',
  lsquo: '‘',
  lt: '<',
  mdash: '—',
  nbsp: ' ',
  ndash: '–',
  quot: '"',
  rdquo: '”',
  rsquo: '’',
};

/** One pass over the text: what a stranger wrote may not cost more than its length. */
export function htmlToText(html: string): string {
  let text = '';
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    const until = open === -1 ? html.length : open;
    text += html.slice(at, until).replace(/\s+/g, ' ');
    if (open === -1) break;
    const tag = readTag(html, open);
    if (tag === null) {
      text += '<';
      at = open + 1;
      continue;
    }
    if (blocks.has(tag.name)) text += '\n';
    else if (tag.name === 'td' || tag.name === 'th') text += ' ';
    else if (pictures.has(tag.name)) text += altOf(html.slice(open, tag.end));
    at = hidden.has(tag.name) && !tag.isClosing ? endOfElement(html, tag) : tag.end;
  }
  return tidy(decodeEntities(text));
}

interface Tag {
  readonly name: string;
  readonly isClosing: boolean;
  /** Where the text goes on. */
  readonly end: number;
}

/** Null for a `<` that begins no tag. Whatever is not closed reaches to the end, as in browsers. */
function readTag(html: string, open: number): Tag | null {
  if (html.startsWith('<!--', open)) return { name: '', isClosing: false, end: after(html, '-->', open) };
  const match = /^<(\/?)([a-z][a-z0-9:]{0,30}|[!?])/i.exec(html.slice(open, open + 40));
  if (match === null) return null;
  let quote = '';
  for (let at = open + match[0].length; at < html.length; at += 1) {
    const character = html.charAt(at);
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return tagOf(match, at + 1);
  }
  return tagOf(match, html.length);
}

const tagOf = (match: RegExpExecArray, end: number): Tag => ({
  name: (match[2] ?? '').toLowerCase(),
  isClosing: match[1] === '/',
  end,
});

const after = (html: string, mark: string, from: number): number => {
  const found = html.indexOf(mark, from);
  return found === -1 ? html.length : found + mark.length;
};

function endOfElement(html: string, { name, end }: Tag): number {
  const closing = new RegExp(`</${name}\\b`, 'gi');
  closing.lastIndex = end;
  return closing.exec(html)?.index ?? html.length;
}

const altOf = (tag: string): string => /\salt="([^"<>]{0,64})"/i.exec(tag.slice(0, 2_000))?.[1] ?? '';

const decodeEntities = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : '';
  });

const tidy = (text: string): string =>
  text
    .replaceAll('\u00a0', ' ')
    .split('\n')
    .map((line) => line.replace(/ {2,}/g, ' ').trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
