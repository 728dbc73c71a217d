import { ALNUM, isOf, NAME, runEndAfter } from '../chars.ts';
import type { Effort } from '../effort.ts';
import type { ContextRule, Report } from '../rules/rule.ts';
import { kindOfName, type NameKind } from './names.ts';
import { readOperator } from './operator.ts';
import { isMixed } from './traits.ts';
import { LONGEST_VALUE, readValue } from './value.ts';
import { VENDORS } from './vendors.ts';
import { isSecretValue, type Standing } from './verdict.ts';

/** Names longer than this are not names but a piece of encoded data. */
const LONGEST_NAME = 80;

/** Every telling name holds one of these; found cheaply, then read as a whole. */
const NAME_PARTS = [
  'pass',
  'pwd',
  'psw',
  'secret',
  'token',
  'key',
  'auth',
  'credential',
  'creds',
  'bearer',
  'jwt',
  'sessi',
  'sid',
  'cookie',
  'login',
  'access',
  'sig',
  'dsn',
  'seed',
  'mnemonic',
  'salt',
  'psk',
  'otp',
  'cvv',
  'cvc',
  'pat',
  'hash',
  'crumb',
  'mdp',
  'contrase',
  'clave',
  'senha',
  'kennwort',
  'wachtwoord',
  'senord',
  'adgangskode',
  'kodeord',
  'salasana',
  'haslo',
  'hasło',
  'heslo',
  'jelsz',
  'parol',
  'şifre',
  'sifre',
  'lozinka',
  'geslo',
  'пароль',
  'парола',
  'лозинка',
  'hook',
  'verifier',
  'hapi',
  'pin',
  'pw',
];

export const RULE_OF: Readonly<Record<NameKind, string>> = {
  password: 'password',
  secret: 'named-secret',
  code: 'password',
  weak: 'named-secret',
};

/** Characters of a value that are judged; what is longer is judged by its beginning. */
const JUDGED = 256;

/**
 * Characters read and judged, in multiples of the text's length, from which on values are hidden unjudged: only a text
 * made for it has so many names within each other's values.
 */
const MOST_EFFORT = 3;

/** No value shorter than this is hidden. */
const SHORTEST_VALUE = 4;

/** Values that their name gives away, in any of the notations of `operator.ts`. */
export const assignments: ContextRule = {
  names: ['password', 'named-secret'],
  anchors: [...NAME_PARTS, ...VENDORS],
  open(text, report, budget) {
    const reader: Reader = { text, report, budget, readTo: 0, effort: MOST_EFFORT * text.length + LONGEST_VALUE };
    return (anchorStart, anchorEnd) => {
      if (anchorStart < reader.readTo) return;
      const end = nameEnd(text, anchorEnd);
      reader.readTo = end;
      readAssignment(reader, nameStart(text, anchorStart), end);
    };
  },
};

interface Reader {
  readonly text: string;
  readonly report: Report;
  /** Of the whole call. */
  readonly budget: Effort;
  /** Names before this have been read or are hidden. */
  readTo: number;
  /** Characters that may still be looked at. */
  effort: number;
}

function readAssignment(reader: Reader, start: number, end: number): void {
  const { text } = reader;
  if (end - start > LONGEST_NAME || (reader.effort <= 0 && kindOfName(text.slice(start, end)) === 'weak')) return;
  const operator = readOperator(text, start, end);
  if (operator === null) return;
  const isFlag =
    text[start] === '-' || text[start - 1] === '/' || DECLARING.test(text.slice(Math.max(0, start - 8), start));
  if (operator.kind === 'blank' && !isFlag && !QUOTES.includes(text[operator.end] ?? ' ')) return;
  const kind = kindInProse(text, start, end);
  if (kind === null || isBadge(text, start)) return;
  const isTyped = kind === 'password' && !isInQuery(text, start);
  const value = readValue(text, operator, { isTyped, longest: reader.effort > 0 ? LONGEST_VALUE : JUDGED });
  if (value === null) return;
  const isLoose =
    (operator.kind === 'blank' && !isFlag) ||
    operator.kind === 'cell' ||
    (operator.kind === 'call' && !isArgument(text, start));
  reader.effort -= value.end - value.start;
  if (value.end - value.start < SHORTEST_VALUE) return;
  const judged = text.slice(value.start, Math.min(value.end, value.start + JUDGED));
  if (!isHidden(reader, judged, kind, { isQuoted: value.isQuoted, isLoose })) return;
  const hiddenTo = value.end - value.start < JUDGED ? value.end : runEndAfter(text, value.end);
  reader.readTo = hiddenTo;
  reader.report({ rule: RULE_OF[kind], start: value.start, end: hiddenTo, rank: 1 });
}

function isHidden(reader: Reader, value: string, kind: NameKind, standing: Standing): boolean {
  if (reader.effort <= 0) return kind !== 'weak';
  reader.budget.values -= 1;
  return reader.budget.values >= 0 ? isSecretValue(value, kind, standing) : kind !== 'weak' && isMixed(value);
}

/** Dockerfile, cmd.exe and fish: the name follows, a blank, the value. */
const DECLARING = /(?:^|\s)(?:ENV|setx|set -g?x) $/;

const QUOTES = '"\'`';

function nameStart(text: string, at: number): number {
  let start = at;
  while (at - start <= LONGEST_NAME && isOf(NAME, text, start - 1)) start -= 1;
  return start;
}

function nameEnd(text: string, at: number): number {
  let end = at;
  while (end - at <= LONGEST_NAME && isOf(NAME, text, end)) end += 1;
  while (end > at && /[.\-$]/.test(text[end - 1] as string)) end -= 1;
  return end;
}

/** In prose a name has several words: `API key:`, `client secret =`. Alone, the last one may be weak or nothing. */
const LAST_WORDS = new Set(['key', 'keys', 'code', 'codes', 'phrase', 'id', 'login', 'access', 'auth']);

function kindInProse(text: string, start: number, end: number): NameKind | null {
  const name = text.slice(start, end);
  const kind = kindOfName(name);
  if ((kind !== null && kind !== 'weak') || text[start - 1] !== ' ' || !LAST_WORDS.has(name.toLowerCase())) return kind;
  let from = start;
  while (start - from < LONGEST_NAME && (isOf(ALNUM, text, from - 1) || text[from - 1] === ' ')) from -= 1;
  const before = text.slice(from, start).split(' ').slice(-4).join(' ');
  return kindOfName(before + name) ?? kind;
}

/** `set("name", "value")`; in a list of names the next is no value. */
const isArgument = (text: string, start: number): boolean =>
  /\(\s{0,2}\\{0,8}["'`]$/.test(text.slice(Math.max(0, start - 12), start));

/** The token in a badge's address only draws a graph; projects publish it in their README (Codecov, "Badges"). */
const isBadge = (text: string, start: number): boolean =>
  text[start - 1] === '?' && /badge[\w./-]{0,24}\?$/.test(text.slice(Math.max(0, start - 32), start));

const isInQuery = (text: string, start: number): boolean => text[start - 1] === '?' || text[start - 1] === '&';
