import { isOf, TYPED_END, VALUE_END } from '../chars.ts';
import type { Operator } from './operator.ts';

/** The value behind an operator, without its quotes. */
export interface Value {
  readonly start: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

/** Longest value looked at, in characters: an RSA key in one line of base64 has 3 KiB. */
export const LONGEST_VALUE = 4096;

/** Blanks, one line break for markup and block scalars, and what may stand around a value: `(`, `[`, `b"`, `**`. */
const OPENERS =
  /[ \t]{0,40}(?:[|>][+-]?[ \t]{0,4})?(?:\r?\n[ \t]{0,40}|(?:\\{1,4}[rn]){1,2}[ \t]{0,40})?(?:[([*~]{1,3}[ \t]{0,4}|[A-Za-z@$]{1,3}(?=\\{0,8}["'`]))?/y;
const QUOTE = /(\\{0,8})(["'`])/y;

/** Schemes of an Authorization header and the like; the value is what follows. */
const SCHEME =
  /(?:bearer|basic|token|digest|ssws|api-?key|apikey|genie-?key|splunk|negotiate|hmac|oauth|key|bot|jwt|aws4-hmac-sha256|sharedkey(?:lite)?)[ \t:=]{1,4}(?=\S)/iy;

const SCHEME_STARTS = 'abdghjknostABDGHJKNOST';

export interface ReadOptions {
  /** The value is a password in prose or a configuration line, not part of a query string. */
  readonly isTyped: boolean;
  /** Characters read at most. */
  readonly longest: number;
}

export function readValue(text: string, operator: Operator, options: ReadOptions): Value | null {
  const at = afterOpeners(text, operator.end);
  if (operator.kind === 'markup') return readMarkup(text, at);
  QUOTE.lastIndex = at;
  const quote = QUOTES.includes(text[at] ?? ' ') ? QUOTE.exec(text) : null;
  if (quote !== null)
    return readQuoted(text, at + quote[0].length, quote[1] as string, quote[2] as string, options.longest);
  if (operator.kind === 'call') return null;
  return readUnquoted(text, at, options);
}

const QUOTES = '"\'`\\';
const OPENING = '|>\r\n\\([*~@$';

/** Most values follow their operator after a blank or none: only what looks otherwise is worth the pattern. */
function afterOpeners(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ') at += 1;
  const next = text[at];
  if (next === undefined || !(OPENING.includes(next) || isPrefixed(text, at))) return at;
  OPENERS.lastIndex = at;
  OPENERS.test(text);
  const after = Math.max(OPENERS.lastIndex, at);
  // What is hidden already begins with a bracket of its own.
  return text.startsWith('[secret:', after - 1) ? after - 1 : after;
}

/** `b"…"`, `r'…'`, `rb\"…\"`: letters in front of a quote. */
const isPrefixed = (text: string, at: number): boolean =>
  QUOTES.includes(text[at + 1] ?? ' ') || QUOTES.includes(text[at + 2] ?? ' ') || QUOTES.includes(text[at + 3] ?? ' ');

/** Up to the next tag, without the blanks before it. */
function readMarkup(text: string, from: number): Value | null {
  const limit = Math.min(text.length, from + LONGEST_VALUE);
  let end = from;
  while (end < limit && text[end] !== '<' && text[end] !== '\\') end += 1;
  if (end === limit) return null;
  while (end > from && text.charCodeAt(end - 1) <= 0x20) end -= 1;
  return value(from, end, true);
}

/** Ends at the same quote with the same number of backslashes before it, or, where that is missing, like an unquoted one. */
function readQuoted(text: string, from: number, escapes: string, quote: string, longest: number): Value | null {
  const start = afterScheme(text, from);
  const limit = Math.min(text.length, start + longest);
  let at = start;
  while (at < limit) {
    const char = text[at] as string;
    if (char === '\n' && quote !== '`') break;
    if (char === '\\') {
      const run = backslashes(text, at, limit);
      const isQuote = text[at + run] === quote;
      if (isQuote && run <= escapes.length) return value(start, at, true);
      at += isQuote || run % 2 === 1 ? run + 1 : run;
      continue;
    }
    if (char === quote) return value(start, at, true);
    at += 1;
  }
  return readUnquoted(text, start, { isTyped: false, longest });
}

function backslashes(text: string, from: number, limit: number): number {
  let at = from;
  while (at < limit && text[at] === '\\') at += 1;
  return at - from;
}

function readUnquoted(text: string, from: number, { isTyped, longest }: ReadOptions): Value | null {
  const start = afterScheme(text, from);
  const ends = isTyped ? TYPED_END : VALUE_END;
  const limit = Math.min(text.length, start + longest);
  let end = start;
  while (end < limit && !isOf(ends, text, end) && !(isTyped && isNextPair(text, end))) end += 1;
  while (end > start && /[.,:;?)}\]*']/.test(text[end - 1] as string)) end -= 1;
  return value(start, end, false);
}

/** `;Encrypt=true`, `,ssl=True`, `&next=1`: the next setting of a connection string or query begins. */
const NEXT_PAIR = /[;,&]\s{0,2}[A-Za-z][\w .-]{0,30}[=:]/y;

function isNextPair(text: string, at: number): boolean {
  if (!';,&'.includes(text[at] as string)) return false;
  NEXT_PAIR.lastIndex = at;
  return NEXT_PAIR.test(text);
}

export function afterScheme(text: string, from: number): number {
  if (!SCHEME_STARTS.includes(text[from] ?? ' ')) return from;
  SCHEME.lastIndex = from;
  return SCHEME.test(text) ? SCHEME.lastIndex : from;
}

const value = (start: number, end: number, isQuoted: boolean): Value | null =>
  end > start ? { start, end, isQuoted } : null;
