import { emitPoint, hexDigit } from './bytes.ts';
import type { Decoder } from './decoder.ts';
import { decodeView, type Emit } from './view.ts';

const BACKSLASH = 0x5c;

const CONTROLS: Readonly<Record<string, number>> = { b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Escapes of JSON and of programming languages (RFC 8259, section 7); a backslash at a line's end joins the lines. */
export const backslashEscapes: Decoder = {
  mark: '\\',
  occurs: /\\[bfnrtvux"'`/\\$\r\n]/,
  decode: (text) => decodeView(text, (unit) => unit === BACKSLASH, decodeAt),
};

function decodeAt(text: string, at: number, emit: Emit): number {
  const next = text[at + 1];
  if (next === undefined) return 0;
  const control = CONTROLS[next];
  if (control !== undefined) {
    emit(control);
    return 2;
  }
  if (`"'\`/\\$`.includes(next)) {
    emit(next.charCodeAt(0));
    return 2;
  }
  if (next === '\n') return 2;
  if (next === '\r' && text[at + 2] === '\n') return 3;
  if (next === 'x') return decodeHex(text, at, 2, 2, emit);
  return next === 'u' ? decodeHex(text, at, 2, 4, emit) : 0;
}

function decodeHex(text: string, at: number, from: number, digits: number, emit: Emit): number {
  let point = 0;
  for (let i = 0; i < digits; i += 1) {
    const digit = hexDigit(text.charCodeAt(at + from + i));
    if (digit === -1) return 0;
    point = point * 16 + digit;
  }
  emitPoint(point, emit);
  return from + digits;
}
