/** A place in a source file, counted from 1. */
export interface Position {
  readonly line: number;
  /** Absent where only the line is certain. */
  readonly column?: number | undefined;
}

/** Lines shown before the one in question. */
const LINES_BEFORE = 2;

/** Characters of a line: as many as a terminal shows without wrapping, most of the time. */
const LINE_CHARS = 120;

/** What may be a secret pasted without quotes: with a digit, or too long for a name. */
const WORD = /[\w$+/=-]+/g;
const LONGEST_NAME = 31;

/** A word with a digit that is no longer than this tells nobody a secret: `v1`, `4321`, `utf8`. */
const HARMLESS_CHARS = 7;

/**
 * Shows where something went wrong in a configuration file. Its literals are left out, because they may be secrets: what
 * stands in strings and comments is replaced by `…`, and so is what may be a secret without quotes. Empty where literals
 * cannot be told from code: behind a backtick, whose partner may be missing. `isBroken`: the file's syntax is wrong.
 */
export function codeFrame(source: string, { line, column }: Position, isBroken: boolean): readonly string[] {
  const lines = source.split('\n').slice(0, line);
  if (lines.length < line || lines.some((text) => text.includes('`'))) return [];
  const hidden = hiddenIn(lines, isBroken ? (column ?? 1) : null);
  if (hidden === null) return [];
  const width = String(line).length;
  const frame: string[] = [];
  for (let number = Math.max(1, line - LINES_BEFORE); number <= line; number += 1) {
    const text = lines[number - 1] ?? '';
    const isWrong = number === line;
    const { shown, caret } = visible(text, hidden[number - 1] ?? new Set(), isWrong ? column : undefined);
    frame.push(`${isWrong ? '>' : ' '} ${String(number).padStart(width)} | ${shown}`.trimEnd());
    if (caret !== undefined) frame.push(`  ${' '.repeat(width)} | ${' '.repeat(caret)}^`);
  }
  return frame;
}

/** One line without its hidden characters, and how far in the column is then. */
function visible(text: string, hidden: ReadonlySet<number>, column: number | undefined) {
  let shown = '';
  let caret: number | undefined;
  for (let index = 0; index <= text.length; index += 1) {
    if (index === (column ?? 0) - 1) caret = shown.length;
    if (!hidden.has(index)) shown += text[index] ?? '';
    else if (!hidden.has(index - 1)) shown += '…';
  }
  return { shown: shown.slice(0, LINE_CHARS), caret: caret === undefined || caret > LINE_CHARS ? undefined : caret };
}

/** Of each line the characters that are not shown; null when the last line ends inside a comment. */
function hiddenIn(lines: readonly string[], brokenAt: number | null): ReadonlySet<number>[] | null {
  let isComment = false;
  const hidden = lines.map((text) => {
    const ofLine = new Set<number>();
    isComment = hideLiterals(text, isComment, ofLine);
    for (const { index, 0: word } of text.matchAll(WORD)) {
      if (word.length > (/\d/.test(word) ? HARMLESS_CHARS : LONGEST_NAME)) hide(ofLine, index, index + word.length);
    }
    return ofLine;
  });
  // Behind a mistake of syntax a quote may open what it was meant to close.
  const last = lines.at(-1) ?? '';
  const from = Math.max(0, (brokenAt ?? Number.POSITIVE_INFINITY) - 1);
  if (/['"]/.test(last.slice(from))) hide(hidden.at(-1), from, last.length);
  return isComment ? null : hidden;
}

/**
 * Adds the characters of a line that stand in strings and comments. Returns whether the next line begins inside one, or
 * may do so.
 */
function hideLiterals(text: string, isInComment: boolean, hidden: Set<number>): boolean {
  let at = isInComment ? hideTo('*/', 0) : 0;
  /** Returns the index behind the end, or -1 when that is not on this line. */
  function hideTo(end: string, from: number): number {
    const found = indexOfUnescaped(text, end, from);
    hide(hidden, from, found < 0 ? text.length : found);
    return found < 0 ? -1 : found + end.length;
  }
  while (at >= 0 && at < text.length) {
    const char = text[at] ?? '';
    if (text.startsWith('/*', at)) at = hideTo('*/', at + 2);
    else if (char === '/') {
      // A line comment, a division, or a pattern that may hold quotes: none of them is needed to find the place.
      const isComment = text[at + 1] === '/';
      hide(hidden, at + (isComment ? 2 : 1), text.length);
      return !isComment && text.includes('/*', at + 1);
    } else if (char === '"' || char === "'") {
      at = hideTo(char, at + 1);
      // A string ends with its line, unless the line's end is escaped.
      if (at < 0) return text.endsWith('\\');
    } else at += 1;
  }
  return at < 0;
}

function indexOfUnescaped(text: string, end: string, from: number): number {
  for (let index = from; index < text.length; index += 1) {
    if (text.startsWith(end, index)) return index;
    if (text[index] === '\\' && end !== '*/') index += 1;
  }
  return -1;
}

function hide(hidden: Set<number> | undefined, from: number, to: number): void {
  for (let index = from; index < to; index += 1) hidden?.add(index);
}
