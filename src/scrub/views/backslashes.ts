import { hexDigit } from './bytes.ts';
import type { Decoder } from './decoder.ts';
import { charOf, type Decoded, decodeView } from './view.ts';

const CONTROLS: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', v: '\v', f: '\f', r: '\r' };

/** Escapes of JSON and of programming languages (RFC 8259, section 7); a backslash at a line's end joins the lines. */
export const backslashEscapes: Decoder = {
  mark: '\\',
  occurs: (text) => /\\[bfnrtvux"'`/\\$\r\n]/.test(text),
  decode: (text) => decodeView(text, (whole, from) => whole.indexOf('\\', from), decodeAt),
};

function decodeAt(text: string, at: number): Decoded | null {
  const next = text[at + 1];
  if (next === undefined) return null;
  const control = CONTROLS[next];
  if (control !== undefined) return { text: control, length: 2 };
  if (`"'\`/\\$`.includes(next)) return { text: next, length: 2 };
  if (next === '\n') return { text: '', length: 2 };
  if (next === '\r' && text[at + 2] === '\n') return { text: '', length: 3 };
  if (next === 'x') return decodeHex(text, at, 2);
  return next === 'u' ? decodeHex(text, at, 4) : null;
}

function decodeHex(text: string, at: number, digits: number): Decoded | null {
  let point = 0;
  for (let i = 0; i < digits; i += 1) {
    const digit = hexDigit(text.charCodeAt(at + 2 + i));
    if (digit === -1) return null;
    point = point * 16 + digit;
  }
  return { text: charOf(point), length: 2 + digits };
}
