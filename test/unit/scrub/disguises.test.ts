import { describe, expect, it } from 'vitest';
import { ALNUM, base64Of, base64UrlOf, createRandom } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { clean, rulesIn, scrub } from './support.ts';

const hex = (char: string): string => char.charCodeAt(0).toString(16).padStart(2, '0');
const each = (text: string, change: (char: string, at: number) => string): string => [...text].map(change).join('');

/** RFC 2045: `=` escaped, lines of at most 76 characters. */
function quotedPrintable(text: string): string {
  let encoded = '';
  let width = 0;
  for (const char of text) {
    const piece = char === '=' ? '=3D' : char;
    if (width + piece.length > 75) {
      encoded += '=\r\n';
      width = 0;
    }
    encoded += piece;
    width += piece.length;
  }
  return encoded;
}

const mime = (text: string): string => base64Of(text).replace(/.{76}/g, '$&\r\n');

const disguises: Readonly<Record<string, (token: string) => string>> = {
  'in JSON': (token) => JSON.stringify({ note: `bad ${token} here` }),
  'in JSON in JSON in JSON': (token) => JSON.stringify({ a: JSON.stringify({ b: JSON.stringify([`x ${token} y`]) }) }),
  'after an escaped line end': (token) => `log: line\\n${token}\\nmore`,
  'with Unicode escapes': (token) => each(token, (char, at) => (at % 4 === 0 ? `\\u00${hex(char)}` : char)),
  'with byte escapes': (token) => each(token, (char) => `\\x${hex(char)}`),
  'in a shell command over two lines': (token) => `run ${token.slice(0, 20)}\\\n${token.slice(20)}`,
  'in base64': (token) => base64Of(`Hello,\nhere is the thing: ${token}\nregards`),
  'in base64url with accents': (token) => base64UrlOf(`Grüße, hier ist es: ${token} – bis dann`),
  'in base64 in base64': (token) => base64Of(base64Of(`Hello, here is the thing: ${token} regards`)),
  'in a MIME body': (token) =>
    mime(`Hello,\nhere is the thing: ${token}\nregards, and so that there are several lines some words more`),
  'percent-encoded': (token) => `next=${encodeURIComponent(` ${token}`)}`,
  'percent-encoded throughout': (token) => each(token, (char) => `%${hex(char)}`),
  'percent-encoded twice': (token) => `next=${encodeURIComponent(encodeURIComponent(` ${token}`))}`,
  'in a paragraph': (token) => `<p>key: <b>${token}</b></p>`,
  'as character references': (token) => each(token, (char) => `&#${char.charCodeAt(0)};`),
  'in named references to brackets': (token) => `see &lbrack;${token.replaceAll('_', '&UnderBar;')}&rbrack; &frac12;`,
  'around references to invisible characters': (token) => `${token.slice(0, 8)}&ZeroWidthSpace;${token.slice(8)}`,
  'in the escaped attribute of a tag': (token) => `<img src="x.png" alt="API_KEY=&quot;${token}&quot;">`,
  'in the escaped attribute of a word': (token) =>
    `<p><a title='see &#34;${token}&#34;' href="https://example.com">x</a></p>`,
  'around a break opportunity': (token) => `<div>${token.slice(0, 9)}<wbr>${token.slice(9)}</div>`,
  'over two spans': (token) => `<p><span>${token.slice(0, 7)}</span><span>${token.slice(7)}</span></p>`,
  'in quoted-printable': (token) =>
    quotedPrintable(`A long line of mail before the thing, and here it comes: ${token} and after it`),
  'around a zero-width space': (token) => `${token.slice(0, 8)}\u200b${token.slice(8)}`,
  'with a zero-width joiner between all': (token) => [...token].join('\u200d'),
  'around a soft hyphen': (token) => `${token.slice(0, 12)}\u00ad${token.slice(12)}`,
  'behind a byte order mark': (token) => `\ufeff${token}`,
  'as UTF-16 read as bytes': (token) => [...token].join('\0'),
  'in full-width letters': (token) => each(token, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0)),
  'in colour': (token) => `\u001b[31m${token}\u001b[0m`,
  'over a quoted line end': (token) =>
    `> this line of the mail is as long as the margin allows ${token.slice(0, 20)}\n> ${token.slice(20)} end`,
};

/** PEM blocks and addresses have line ends and separators of their own; they are in the tests of their families. */
const kinds = tokenKinds.filter(
  ({ rule }) => rule !== 'private-key' && !rule.includes('webhook') && rule !== 'url-password',
);

describe.each(Object.entries(disguises))('a secret %s', (_, disguise) => {
  const random = createRandom(77);

  it.each(kinds)('$kind is hidden', ({ make }) => {
    const token = make(random);
    const { value, findings } = scrub(disguise(token));
    expect(findings.length).toBeGreaterThan(0);
    expect(value).not.toBe(disguise(token));
    expect(value).not.toContain(token);
  });
});

it.each(['&constructor;', '&unknown;', '&valueOf;', '&__proto__;', `&${'a'.repeat(40)};`])(
  'a reference that HTML does not know stays as it is: %s',
  (text) => expect(clean(text)).toBe(text),
);

it.each([
  ['pw&colon; Blue-Harbor-42x', 'Blue-Harbor-42x'],
  ['pw&COLON; Blue-Harbor-42x', 'Blue-Harbor-42x'],
  ['password&Equals;Blue-Harbor-42x', 'Blue-Harbor-42x'],
  ['password&colon;&NonBreakingSpace;Blue&hyphen;Harbor&dash;42x', 'Harbor'],
  ['password: Blue&shy;-Har&zwnj;bor-&ZWJ;42x', 'bor'],
])('a password beside named references is hidden: %s', (text, secret) => expect(clean(text)).not.toContain(secret));

describe('what is hidden in another notation', () => {
  const token = ['gh', 'p_', createRandom(1).chars(ALNUM, 36)].join('');

  it('has the same digest as in plain text', () => {
    const plain = /#[0-9a-f]{4}/.exec(clean(token))?.[0];
    for (const text of [`${token.slice(0, 9)}\u200b${token.slice(9)}`, each(token, (char) => `%${hex(char)}`)]) {
      expect(clean(text)).toContain(plain);
    }
  });

  it('leaves base64 that decodes to the cleaned text, in the same alphabet and width', () => {
    const body = mime(
      `Dear Bob,\r\nthe token is ${token}.\r\nRegards, and a long line so that the body has more than one line.`,
    );
    const cleaned = clean(body);
    expect(Buffer.from(cleaned, 'base64').toString('utf8')).toMatch(
      /^Dear Bob,\r\nthe token is \[secret:github-token#.{4}\]\.\r\nRegards/,
    );
    expect(cleaned.split('\r\n')[0]).toHaveLength(76);
    const url = clean(base64UrlOf(`ÿÿ? the token is ${token} >>>`));
    expect(url).not.toMatch(/[+/=]/);
    expect(Buffer.from(url, 'base64url').toString('utf8')).toContain('[secret:github-token#');
  });

  it('leaves binary data alone', () => {
    const image = Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 256)).toString('base64');
    expect(clean(image)).toBe(image);
  });

  it('finds a JSON Web Token in base64', () => {
    const jwt = [
      base64UrlOf('{"alg":"HS256"}'),
      base64UrlOf('{"sub":"1234567890"}'),
      createRandom(2).chars(ALNUM, 43),
    ].join('.');
    expect(rulesIn(base64Of(jwt))).toEqual(['jwt']);
  });
});
