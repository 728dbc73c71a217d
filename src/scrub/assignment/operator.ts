/**
 * What ties a value to its name: `name = v`, `"name": "v"`, `name := v`, `'name' => 'v'`, `<name>v</name>`,
 * `set("name", "v")`, `--name v`, `name: string = "v"`, `key="name" value="v"`.
 */
export interface Operator {
  /** Where the value may start (before blanks and quotes). */
  readonly end: number;
  /** `markup`: ends at the next tag. `call`, `cell` and `blank`: only quoted or clearly secret values count. */
  readonly kind: 'assign' | 'markup' | 'call' | 'cell' | 'blank';
}

/** Quotes (escaped any number of times), brackets and markdown marks that close around a name. */
const CLOSERS = /(?:\\{0,8}["'`]|\\{0,2}[\])*~}]){0,4}/y;

/** A declared type between name and value: `name: string =`, `name string =`. */
const TYPED = /(?:\s{0,2}:)?[ \t]{1,4}[A-Za-z][\w.<>[\]?|]{0,30}[ \t]{0,4}:?=(?![=>~])/y;

/** `name: str = "…"`, with the quote, since what stands behind a colon is mostly a value. */
const TYPED_QUOTED = /:[ \t]{0,4}[A-Za-z][\w.<>[\]?|]{0,30}[ \t]{1,4}=[ \t]{1,4}(?=["'`])/y;

/** `=`, `:=`, `::=`, `?=`, `.=`, `+=`, `||=`, `==`, `!=`, `=>`, `->`, `:`, and full-width forms. */
const ASSIGN = /[ \t]{0,40}(?::{0,3}={1,3}>?|[?.+!|]{1,2}={1,3}|->|:{1,2}(?!\/\/)|＝|：|→|\|\|)/y;

/** `key="password" value="…"`, `"name":"password","value":"…"`, Terraform's `variable "password" { default = "…"`. */
const VALUE_BESIDE =
  /(?:[ \t]{0,4}[,;]?\s{0,8}\\{0,8}["']?(?:value|val|v|content)\\{0,8}["']?|[ \t]{1,4}\{[^{}"]{1,80}\bdefault)\s{0,4}[:=]/iy;

const COMMA = /[ \t]{0,4},/y;
const CELL = /[ \t]{0,40}\|(?=[ \t])/y;
/** `setPassword("…")`. */
const ARGUMENT = /\(\s{0,4}(?=["'`])/y;
/** `<string name="api_key">…</string>`. */
const IN_ELEMENT = /\s{0,4}>/y;
/** Apple's property lists: `<key>name</key> <string>…</string>`. */
const PROPERTY_LIST = /<\/key>\s{0,32}<string>/y;
const BLANK = /[ \t]{1,8}(?=["'`]|[^\s-])/y;

/** Signs with which everything that can follow a name begins. */
const FOLLOWERS = ' \t\r\n\\"\'`[](){}*~>?.+!|-,＝：→\u00a0';

/** Where the pattern ends when it matches right at `at`, else -1. */
function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/** The operator behind the name at `start`..`end`, or null. */
export function readOperator(text: string, start: number, end: number): Operator | null {
  const next = text[end];
  if (next === '=' || next === ':') {
    const typed = next === ':' ? after(TYPED_QUOTED, text, end) : -1;
    if (typed !== -1) return { end: typed, kind: 'assign' };
    const assigned = after(ASSIGN, text, end);
    return assigned === -1 ? null : { end: assigned, kind: 'assign' };
  }
  if (next === '<') {
    const inList = after(PROPERTY_LIST, text, end);
    return inList === -1 ? null : { end: inList, kind: 'markup' };
  }
  if (next === undefined || !FOLLOWERS.includes(next)) return null;
  const closed = after(CLOSERS, text, end);
  const beside = after(VALUE_BESIDE, text, closed);
  if (beside !== -1) return { end: beside, kind: 'assign' };
  if (text[end] === '>' && text[start - 1] === '<') return { end: end + 1, kind: 'markup' };
  const inElement = closed > end ? after(IN_ELEMENT, text, closed) : -1;
  if (inElement !== -1 && text[start - 2] === '=') return { end: inElement, kind: 'markup' };
  const typed = closed === end ? after(TYPED, text, end) : -1;
  if (typed !== -1) return { end: typed, kind: 'assign' };
  const assigned = after(ASSIGN, text, closed);
  if (assigned !== -1) return { end: assigned, kind: 'assign' };
  const comma = closed > end ? after(COMMA, text, closed) : -1;
  if (comma !== -1) return { end: comma, kind: 'call' };
  const cell = after(CELL, text, closed);
  if (cell !== -1) return { end: cell, kind: 'cell' };
  const argument = after(ARGUMENT, text, end);
  if (argument !== -1) return { end: argument, kind: 'call' };
  const blank = after(BLANK, text, closed);
  if (blank !== -1) return { end: blank, kind: 'blank' };
  return null;
}
