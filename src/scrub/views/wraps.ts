import { isOf, RUN } from '../chars.ts';
import type { Decoder } from './decoder.ts';
import { decodeView } from './view.ts';

/** Mail programs and terminals break a long token at their margin; shorter lines were broken by their author. */
const LEAST_MARGIN = 40;

/** Token characters in front of the break: fewer are the last word of a line. */
const LEAST_PIECE = 12;

/** Signs that tokens have inside besides those of a run. */
const INSIDE = '|$%@:~';

/** Lines that a margin broke, joined again. Only what has a form of its own can be recognised across the break. */
export const wraps: Decoder = {
  mark: '\n',
  occurs(text) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
      if (breakLength(text, text[at - 1] === '\r' ? at - 1 : at) > 0) return true;
    }
    return false;
  },
  decode: (text) =>
    decodeView(text, nextBreak, (whole, at) => {
      const length = breakLength(whole, at);
      return length === 0 ? null : { text: '', length };
    }),
};

function nextBreak(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at > from && text[at - 1] === '\r' ? at - 1 : at;
}

/** Length of the line break and of the next line's indentation or quoting, when a token was broken there; else 0. */
function breakLength(text: string, at: number): number {
  let piece = at;
  while (at - piece < LEAST_PIECE && isInside(text, piece - 1)) piece -= 1;
  if (at - piece < LEAST_PIECE) return 0;
  let next = at + (text[at] === '\r' ? 1 : 0);
  if (text[next] !== '\n') return 0;
  next += 1;
  const line = next;
  while (next - line < 8 && ' \t>|'.includes(text[next] ?? '\n')) next += 1;
  return isInside(text, next) && at - text.lastIndexOf('\n', at - 1) > LEAST_MARGIN ? next - at : 0;
}

const isInside = (text: string, at: number): boolean =>
  isOf(RUN, text, at) || (at >= 0 && INSIDE.includes(text[at] ?? ' '));
