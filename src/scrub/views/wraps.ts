import type { Decoder } from './decoder.ts';
import { decodeView } from './view.ts';

/** Mail programs and terminals break a long token at their margin; shorter lines were broken by their author. */
const LEAST_MARGIN = 40;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line break and the next line's indentation or quoting, in front of a character that a token may have. */
const BREAK = /\r?\n[ \t>|]{0,8}(?=[A-Za-z0-9_+/=.:|$%@~-])/y;
const TOKEN_CHAR = /[A-Za-z0-9_+/=.:|$%@~-]/;

/** Lines that a margin broke, joined again. Only what has a form of its own can be recognised across the break. */
export const wraps: Decoder = {
  mark: '\n',
  occurs: /[A-Za-z0-9_+/=.:|$%@~-]{12}\r?\n[ \t>|]{0,8}[A-Za-z0-9_+/=.:|$%@~-]/,
  decode(text) {
    let lineStart = 0;
    return decodeView(
      text,
      (unit) => unit === LINE_FEED || unit === CARRIAGE_RETURN,
      (_, at) => {
        const isWrapped = at - lineStart >= LEAST_MARGIN && TOKEN_CHAR.test(text[at - 1] as string);
        BREAK.lastIndex = at;
        const taken = isWrapped && BREAK.test(text) ? BREAK.lastIndex - at : 0;
        if (taken > 0 || text.charCodeAt(at) === LINE_FEED) lineStart = at + Math.max(taken, 1);
        return taken;
      },
    );
  },
};
