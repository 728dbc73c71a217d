import type { Decoder } from './decoder.ts';
import { decodeView, type Emit } from './view.ts';

const EQUALS = 0x3d;
const PERCENT = 0x25;

/** RFC 2045, 6.7: `=XX` is a byte, `=` at the end of a line joins it with the next. */
export const quotedPrintable: Decoder = {
  mark: '=',
  occurs: /=(?:[0-9A-F]{2}|\r?\n)/,
  decode: (text) =>
    decodeView(
      text,
      (unit) => unit === EQUALS,
      (_, at, emit) => {
        if (text[at + 1] === '\n') return 2;
        if (text[at + 1] === '\r' && text[at + 2] === '\n') return 3;
        return decodeBytes(text, at, EQUALS, emit);
      },
    ),
};

/** RFC 3986, 2.1. */
export const percentEncoding: Decoder = {
  mark: '%',
  occurs: /%[0-9A-Fa-f]{2}/,
  decode: (text) =>
    decodeView(
      text,
      (unit) => unit === PERCENT,
      (_, at, emit) => decodeBytes(text, at, PERCENT, emit),
    ),
};

/** One character: an ASCII byte, or the two to four bytes of a UTF-8 sequence, each behind its own escape sign. */
function decodeBytes(text: string, at: number, sign: number, emit: Emit): number {
  const first = byteAt(text, at, sign);
  if (first === -1 || (first >= 0x80 && first < 0xc2)) return 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  let point = length === 1 ? first : first & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const next = byteAt(text, at + 3 * i, sign);
    if (next === -1 || next >> 6 !== 2) return 0;
    point = (point << 6) | (next & 0x3f);
  }
  emitPoint(point, emit);
  return 3 * length;
}

function byteAt(text: string, at: number, sign: number): number {
  if (text.charCodeAt(at) !== sign) return -1;
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

/** Points beyond Unicode are dropped. */
export function emitPoint(point: number, emit: Emit): void {
  if (point > 0x10ffff) return;
  const text = String.fromCodePoint(point);
  for (let i = 0; i < text.length; i += 1) emit(text.charCodeAt(i));
}
