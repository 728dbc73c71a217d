import { createRandom, type Random } from '../unit/scrub/corpus/random.ts';

/** Makes a text of about so many characters; the same seed makes the same kind of text at every length. */
export interface SlowText {
  readonly name: string;
  make(length: number): string;
}

/** Bytes that are text at first sight and turn out to be something else, or are text all through. */
const CONTENTS: Readonly<Record<string, (bytes: number, random: Random) => Buffer>> = {
  'UTF-8': (bytes, random) => sentences(bytes, random, 'utf8'),
  'Latin-1': (bytes, random) => sentences(bytes, random, 'latin1'),
  'UTF-16': (bytes, random) => sentences(bytes / 2, random, 'utf16le'),
  'ASCII with one invalid byte at the end': (bytes, random) => {
    const all = sentences(bytes, random, 'ascii');
    all[all.length - 1] = 0xff;
    return all;
  },
  'random bytes': (bytes, random) => Buffer.from(Array.from({ length: Math.ceil(bytes) }, () => random.int(256))),
  'random letters': (bytes, random) =>
    Buffer.from(Array.from({ length: Math.ceil(bytes) }, () => 0x61 + random.int(26))),
};

const WORDS = 'the report is ready and München sent Grüße über Señor Ångström to all of them who asked for it'.split(
  ' ',
);

function sentences(bytes: number, random: Random, encoding: BufferEncoding): Buffer {
  let text = '';
  while (text.length < bytes) text += `${WORDS[random.int(WORDS.length)]}${random.int(12) === 0 ? '.\r\n' : ' '}`;
  return Buffer.from(text.slice(0, Math.ceil(bytes)), encoding);
}

const OPENERS = [
  ...[
    'pw: ',
    '密码是=',
    '[',
    '{',
    '"',
    'eyJ-',
    'eyJhbGciOi',
    '-----BEGIN ',
    '-----BEGIN RSA PRIVATE KEY-----\n',
    'key=',
  ],
  ...[
    'password is ',
    'the password is "',
    'token=a1b2c3 ',
    'secret: [secret:',
    '&#',
    '=?utf-8?B?',
    '\\u00',
    '%25',
    '/',
  ],
  ...['://a:', 'https://u:p@', 'Authorization: Basic ', 'cookie: a=b; ', '$(', '<b ', '<td>', 'x@', '=\r\n', '\u200b'],
];

/** Texts made to be slow: encoded up to four times, wrapped and cut anywhere, and beginnings of secrets in a row. */
export function slowTexts(seed: number, count: number): SlowText[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const own = random.int(1_000_000);
    return index % 3 === 2 ? repeatedOpeners(own) : nestedBase64(own);
  });
}

function nestedBase64(seed: number): SlowText {
  const random = createRandom(seed);
  const kinds = Object.keys(CONTENTS);
  const kind = kinds[random.int(kinds.length)] as string;
  const layers = Array.from({ length: 1 + random.int(4) }, () => ({
    // 0: one line. MIME wraps at 76, PEM at 64; odd widths put the cuts between lines at every place of a group.
    width: [0, 64, 76, 76, 41 + random.int(60)][random.int(5)] as number,
    lineEnd: random.int(2) === 0 ? '\n' : '\r\n',
    cutAtStart: random.int(3) === 0 ? random.int(4) : 0,
    cutAtEnd: random.int(2) === 0 ? random.int(4) : 0,
    isUrlSafe: random.int(4) === 0,
  }));
  const name = `${kind} in base64: ${layers
    .map(({ width, lineEnd, cutAtStart, cutAtEnd, isUrlSafe }) =>
      [width, lineEnd === '\n' ? 'LF' : 'CRLF', cutAtStart, cutAtEnd, isUrlSafe ? 'url' : 'std'].join('/'),
    )
    .join(', ')} (seed ${seed})`;
  return {
    name,
    make(length) {
      let bytes = CONTENTS[kind]?.(length * 0.74 ** layers.length, createRandom(seed)) as Buffer;
      for (const { width, lineEnd, cutAtStart, cutAtEnd, isUrlSafe } of layers) {
        const plain = bytes.toString(isUrlSafe ? 'base64url' : 'base64');
        const cut = plain.slice(cutAtStart, plain.length - cutAtEnd);
        bytes = Buffer.from(width === 0 ? cut : cut.replace(new RegExp(`.{${width}}`, 'g'), `$&${lineEnd}`));
      }
      return bytes.toString('latin1').slice(0, length);
    },
  };
}

/** One opener over and over, or two or three by turns, perhaps with something after them all. */
function repeatedOpeners(seed: number): SlowText {
  const random = createRandom(seed);
  const chosen = Array.from({ length: 1 + random.int(3) }, () => OPENERS[random.int(OPENERS.length)] as string);
  const filler = ['', '', 'a', ' ', 'aB3', '\n', 'x=y '][random.int(7)] as string;
  const ending = ['', '.a', '"', '-----END RSA PRIVATE KEY-----', '@host', ']'][random.int(6)] as string;
  const unit = chosen.map((opener) => opener + filler).join('');
  return {
    name: `${JSON.stringify(unit)} over and over, then ${JSON.stringify(ending)} (seed ${seed})`,
    make: (length) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length - ending.length) + ending,
  };
}
