/** Elements whose content is not said to anybody. */
const silent: ReadonlySet<string> = new Set(['script', 'style', 'head', 'title', 'template']);

/** Elements that begin on a new line. */
const blocks: ReadonlySet<string> = new Set([
  'p',
  'div',
  'br',
  'tr',
  'li',
  'ul',
  'ol',
  'table',
  'blockquote',
  'h1',
  'h2',
  'h3',
  'h4',
  'hr',
]);

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/**
 * What an HTML body says, for mail that has no plain text. One pass over the input whatever it looks like: patterns that
 * search for a closing tag from each opening one take a day on a megabyte of `<style`.
 */
export function htmlToText(html: string): string {
  let text = '';
  let hidden = '';
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    const end = open === -1 ? html.length : open;
    if (hidden === '') text += html.slice(at, end);
    if (open === -1) break;
    const isComment = html.startsWith('<!--', open);
    const close = isComment ? html.indexOf('-->', open + 4) : html.indexOf('>', open);
    if (close === -1) break;
    at = close + (isComment ? 3 : 1);
    if (isComment) continue;
    const [, slash, name = ''] = /^<(\/?)([A-Za-z][A-Za-z0-9]{0,15})/.exec(html.slice(open, open + 20)) ?? [];
    const element = name.toLowerCase();
    if (hidden !== '') hidden = slash === '/' && element === hidden ? '' : hidden;
    else if (slash === '' && silent.has(element)) hidden = element;
    else if (blocks.has(element)) text += '\n';
  }
  return tidy(decodeEntities(text));
}

const decodeEntities = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });

const tidy = (text: string): string =>
  text
    .replace(/[ \t\r\f\v\u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
