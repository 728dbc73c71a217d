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

const UNQUOTED = /[^\s"'`<>,;)}\]&|\\]/;
/** A password a person typed may hold anything but blanks; quotes, tags and escapes still end it. */
const TYPED_PASSWORD = /[^\s"`<\\]/;

export interface ReadOptions {
  /** The value is a password in prose or a configuration line, not part of a query string. */
  readonly isTyped: boolean;
}

export function readValue(text: string, operator: Operator, options: ReadOptions): Value | null {
  OPENERS.lastIndex = operator.end;
  OPENERS.test(text);
  const at = Math.max(OPENERS.lastIndex, operator.end);
  if (operator.kind === 'markup') return readMarkup(text, at);
  QUOTE.lastIndex = at;
  const quote = QUOTE.exec(text);
  if (quote !== null) return readQuoted(text, at + quote[0].length, quote[1] as string, quote[2] as string);
  if (operator.kind === 'call') return null;
  return readUnquoted(text, at, options);
}

function readMarkup(text: string, from: number): Value | null {
  const close = text.slice(from, from + LONGEST_VALUE).search(/\s*[<\\]/);
  return close <= 0 ? null : { start: from, end: from + close, isQuoted: true };
}

/** Ends at the same quote with the same number of backslashes before it, or, where that is missing, like an unquoted one. */
function readQuoted(text: string, from: number, escapes: string, quote: string): Value | null {
  const start = afterScheme(text, from);
  const limit = Math.min(text.length, start + LONGEST_VALUE);
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
  return readUnquoted(text, start, { isTyped: false });
}

function backslashes(text: string, from: number, limit: number): number {
  let at = from;
  while (at < limit && text[at] === '\\') at += 1;
  return at - from;
}

function readUnquoted(text: string, from: number, { isTyped }: ReadOptions): Value | null {
  const start = afterScheme(text, from);
  const inside = isTyped ? TYPED_PASSWORD : UNQUOTED;
  const limit = Math.min(text.length, start + LONGEST_VALUE);
  let end = start;
  while (end < limit && inside.test(text[end] as string) && !(isTyped && isNextPair(text, end))) end += 1;
  while (end > start && /[.,:;?)}\]*']/.test(text[end - 1] as string)) end -= 1;
  return value(start, end, false);
}

/** `;Encrypt=true`, `,ssl=True`, `&next=1`: the next setting of a connection string or query begins. */
const NEXT_PAIR = /[;,&]\s{0,2}[A-Za-z][\w .-]{0,30}[=:]/y;

function isNextPair(text: string, at: number): boolean {
  NEXT_PAIR.lastIndex = at;
  return NEXT_PAIR.test(text);
}

export function afterScheme(text: string, from: number): number {
  SCHEME.lastIndex = from;
  return SCHEME.test(text) ? SCHEME.lastIndex : from;
}

const value = (start: number, end: number, isQuoted: boolean): Value | null =>
  end > start ? { start, end, isQuoted } : null;
