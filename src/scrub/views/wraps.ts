import { ALNUM, isOf, RUN } from '../chars.ts';
import { decodeView, shifted, type View } from './view.ts';

/** Mail programs and terminals break a long token at their margin; shorter lines were broken by their author. */
const LEAST_MARGIN = 40;

/** Token characters in front of the break: fewer are the last word of a line. */
const LEAST_PIECE = 12;

/** What dates and times are made of, besides signs; Slack's tokens have up to forty digits and signs in a row. */
const OF_TIMES = '0123456789TZ';
const LONGEST_PIECE = 64;

/** Signs that tokens have inside besides those of a run. */
const INSIDE = '|$%@:~';

/** The character that every text with broken lines has. */
export const LINE_END = '\n';

/**
 * Lines that a margin broke, joined again: one view for each group of such lines. Only what has a form of its own can be
 * recognised across the break, so the lines around need not be read a second time.
 */
export function joinedLines(text: string): View[] {
  const views: View[] = [];
  for (let at = nextBreak(text, 0); at !== -1; ) {
    if (breakLength(text, at) === 0) {
      at = nextBreak(text, at + 2);
      continue;
    }
    const start = text.lastIndexOf('\n', at - 1) + 1;
    let end = lineEnd(text, at + 2);
    while (end < text.length && breakLength(text, breakAt(text, end)) > 0) end = lineEnd(text, end + 1);
    const view = decodeView(text.slice(start, end), nextBreak, (lines, position) => {
      const length = breakLength(lines, position);
      return length === 0 ? null : { text: '', length };
    });
    if (view !== null) views.push(shifted(view, start));
    at = nextBreak(text, end);
  }
  return views;
}

const breakAt = (text: string, lineFeed: number): number => (text[lineFeed - 1] === '\r' ? lineFeed - 1 : lineFeed);

/** The next line feed, or the text's end. */
function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at === -1 ? text.length : at;
}

function nextBreak(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at > from ? breakAt(text, at) : at;
}

/** Length of the line break and of the next line's indentation or quoting, when a token was broken there; else 0. */
function breakLength(text: string, at: number): number {
  if (!endsInPiece(text, at)) return 0;
  let next = at + (text[at] === '\r' ? 1 : 0);
  if (text[next] !== '\n') return 0;
  next += 1;
  const line = next;
  while (next - line < 8 && ' \t>|'.includes(text[next] ?? '\n')) next += 1;
  return isInside(text, next) && at - text.lastIndexOf('\n', at - 1) > LEAST_MARGIN ? next - at : 0;
}

/** Whether what stands before is long enough, and more than a date, a time or a number, which many lines end in. */
function endsInPiece(text: string, at: number): boolean {
  let start = at;
  let hasLetter = false;
  while (at - start < LONGEST_PIECE && isInside(text, start - 1) && !(hasLetter && at - start >= LEAST_PIECE)) {
    start -= 1;
    hasLetter ||= isOf(ALNUM, text, start) && !OF_TIMES.includes(text[start] as string);
  }
  return hasLetter && at - start >= LEAST_PIECE;
}

const isInside = (text: string, at: number): boolean =>
  isOf(RUN, text, at) || (at >= 0 && INSIDE.includes(text[at] ?? ' '));
