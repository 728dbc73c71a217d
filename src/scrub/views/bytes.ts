import type { Decoder } from './decoder.ts';
import { charOf, type Decoded, decodeView } from './view.ts';

/** RFC 2045, 6.7: `=XX` is a byte, `=` at the end of a line joins it with the next. */
export const quotedPrintable: Decoder = {
  mark: '=',
  occurs: (text) => /=(?:[0-9A-F]{2}|\r?\n)/.test(text),
  decode: (text) =>
    decodeView(
      text,
      (whole, from) => whole.indexOf('=', from),
      (whole, at) => {
        if (whole[at + 1] === '\n') return { text: '', length: 2 };
        if (whole[at + 1] === '\r' && whole[at + 2] === '\n') return { text: '', length: 3 };
        return decodeBytes(whole, at);
      },
    ),
};

/** RFC 3986, 2.1. */
export const percentEncoding: Decoder = {
  mark: '%',
  occurs: (text) => /%[0-9A-Fa-f]{2}/.test(text),
  decode: (text) => decodeView(text, (whole, from) => whole.indexOf('%', from), decodeBytes),
};

/** One character: an ASCII byte, or the two to four bytes of a UTF-8 sequence, each behind the same sign. */
function decodeBytes(text: string, at: number): Decoded | null {
  const first = byteAt(text, at, at);
  if (first === -1 || (first >= 0x80 && first < 0xc2)) return null;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  let point = length === 1 ? first : first & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const next = byteAt(text, at + 3 * i, at);
    if (next === -1 || next >> 6 !== 2) return null;
    point = (point << 6) | (next & 0x3f);
  }
  return { text: charOf(point), length: 3 * length };
}

/** The byte behind the sign at `at`, which must be the one at `first`; else -1. */
function byteAt(text: string, at: number, first: number): number {
  if (text[at] !== text[first]) return -1;
  const high = hexDigit(text.charCodeAt(at + 1));
  const low = hexDigit(text.charCodeAt(at + 2));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

/** The digit's value; -1 for anything else, NaN past the end included. */
export function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
