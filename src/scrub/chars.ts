/** Classes of UTF-16 code units, as bits: a table look-up costs a fraction of a regular expression on one character. */
export const ALNUM = 1;
/** What names are made of: letters (of any script), digits, `_`, `$`, `.` and `-`. */
export const NAME = 2;
/** What encoded data and tokens are made of. */
export const RUN = 4;
export const DIGIT = 8;
/** What ends a path or an address: blanks, quotes, opening brackets and `=`. */
export const STOP = 16;

/** What ends a value without quotes, and what ends one that a person typed, which may hold more. */
export const VALUE_END = 32;
export const TYPED_END = 64;

/** Behind these a value begins in addresses and forms. */
export const SEPARATOR = 128;

const CLASSES = new Uint8Array(0x10000);

const add = (chars: string, bits: number): void => {
  for (const char of chars) CLASSES[char.charCodeAt(0)] = (CLASSES[char.charCodeAt(0)] as number) | bits;
};
add('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', ALNUM | NAME | RUN);
add('0123456789', DIGIT);
add('/=.~', SEPARATOR);
add('_$.-', NAME);
add('+/=_.-~', RUN);
const BLANKS = ' \t\r\n\f\v\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff';
add(`${BLANKS}"'\`(<>=`, STOP);
add(`${BLANKS}"'\`<>,;)}]&|\\`, VALUE_END);
add(`${BLANKS}"\`<\\`, TYPED_END);
const LETTER = /\p{L}/u;
for (let unit = 0x80; unit < 0xd800; unit += 1)
  if (LETTER.test(String.fromCharCode(unit))) add(String.fromCharCode(unit), NAME);

/** Where the value that was read up to its limit really ends: a value is hidden whole or not at all. */
export function runEndAfter(text: string, at: number): number {
  let end = at;
  while (end < text.length && !isOf(VALUE_END, text, end)) end += 1;
  return end;
}

/**
 * False before the beginning and past the end. Asked first: a look-up by NaN, which is what such a place has for a
 * code, makes the engine give up its fast look-up for good (measured: ten times slower).
 */
export const isOf = (bits: number, text: string, at: number): boolean =>
  at >= 0 && at < text.length && ((CLASSES[text.charCodeAt(at)] as number) & bits) !== 0;

/** Where the run of such characters around `at`, which is one, begins. */
export function startOfRun(bits: number, text: string, at: number): number {
  let start = at;
  while (start > 0 && ((CLASSES[text.charCodeAt(start - 1)] as number) & bits) !== 0) start -= 1;
  return start;
}

/** The first position at or after `from` whose character is none of these, or the text's end. */
export function endOfRun(bits: number, text: string, from: number): number {
  let end = from;
  while (end < text.length && ((CLASSES[text.charCodeAt(end)] as number) & bits) !== 0) end += 1;
  return end;
}
