import { trimEndOf } from '../../core/text/cap.ts';
import { kindOfName } from '../assignment/names.ts';
import { isMixed } from '../assignment/traits.ts';
import { isSecretValue } from '../assignment/verdict.ts';
import { isOf, NAME, runEndAfter, VALUE_END } from '../chars.ts';
import type { Effort } from '../effort.ts';
import type { ContextRule, Report } from '../rules/rule.ts';
import {
  ATTRIBUTE_ENDING,
  ATTRIBUTES,
  ATTRIBUTES_AFTER,
  CODE_WORDS,
  COPULAS,
  FILLERS,
  PASSWORD_WORDS,
  TOKEN_WORDS,
} from './words.ts';

/** What one unit of effort reads. */
const USUAL_LENGTH = 32;

/** Characters of a value looked at. */
const REACH = 120;

/** Words between `password` and the copula: "the password for the staging server is". */
const WIDEST_GAP = 6;

interface Reader {
  readonly text: string;
  readonly report: Report;
  readonly effort: Effort;
  /** Words before this were looked at in haste, and are none. */
  plainTo: number;
}

interface Word {
  readonly text: string;
  readonly start: number;
}

type Kind = 'password' | 'secret' | 'code';

const PASSWORDS = new Set(PASSWORD_WORDS);
const CODES = new Set(CODE_WORDS);
const TERMS = new Set([...PASSWORD_WORDS, ...TOKEN_WORDS, ...CODE_WORDS]);

const kindOfTerm = (term: string): Kind => (PASSWORDS.has(term) ? 'password' : CODES.has(term) ? 'code' : 'secret');

/** Most terms are passed by quickly. */
const EFFORT_OF_A_TERM = 0.25;

/** "The password is …", "… ist das Passwort", "use … as the password", "密码是…": what people write in chats. */
export const phrases: ContextRule = {
  names: ['password', 'named-secret'],
  anchors: [...PASSWORD_WORDS, ...TOKEN_WORDS, ...CODE_WORDS],
  open(text, report, effort) {
    const reader: Reader = { text, report, effort, plainTo: 0 };
    let readTo = 0;
    return (start, end) => {
      if (start < readTo) return;
      effort.values -= EFFORT_OF_A_TERM;
      if (effort.values < 0) {
        readTo = Math.max(end, hideUnread(reader, end, 'secret'));
        return;
      }
      const term = readTerm(text, start, end);
      readTo = term.end;
      if (term.kind === null) return;
      const after = isNotation(text, term) ? 0 : lookAfter(reader, term.end, term.kind);
      readTo = Math.max(term.end, after, lookBefore(reader, term.start, term.kind));
    };
  },
};

/** `token: …`, `"token" = …`: what stands behind the name of a notation is read by the assignments. */
function isNotation(text: string, { start, end }: Term): boolean {
  let at = end;
  while (at - end < 2 && CLOSERS.includes(text[at] ?? '\n')) at += 1;
  while (at - end < 4 && text[at] === ' ') at += 1;
  return (text[at] === ':' || text[at] === '=') && kindOfName(text.slice(start, end)) !== null;
}

const CLOSERS = '"\'`])';

const UNSPACED = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/;

interface Term {
  readonly start: number;
  readonly end: number;
  /** null when it tells nothing. */
  readonly kind: Kind | null;
}

/** Longest identifier that counts as a term. */
const LONGEST_TERM = 48;

/** The word as a whole: `client_secret` is one term, `tokenizer` is none. Scripts without blanks have no such border. */
function readTerm(text: string, start: number, end: number): Term {
  const kind = kindOfTerm(text.slice(start, end).toLowerCase());
  if (UNSPACED.test(text[start] as string)) return { start, end, kind };
  let from = start;
  let to = end;
  while (start - from < LONGEST_TERM && isPartOfTerm(text, from - 1)) from -= 1;
  while (to - end < LONGEST_TERM && isPartOfTerm(text, to)) to += 1;
  const next = text[to];
  const isMember = next === '[' || next === '(' || (next === '.' && isOf(NAME, text, to + 1));
  const isWhole = from === start && (to === end || (to === end + 1 && (text[end] === 's' || text[end] === 'S')));
  if (isMember || to - from > LONGEST_TERM) return { start: from, end: to, kind: null };
  return { start: from, end: to, kind: isWhole ? kind : kindOfIdentifier(text.slice(from, to)) };
}

const isPartOfTerm = (text: string, at: number): boolean => isOf(NAME, text, at) && text[at] !== '.';

function kindOfIdentifier(name: string): Kind | null {
  const kind = kindOfName(name);
  return kind === 'weak' ? null : kind;
}

/** "Our Datadog key is …": `key` alone tells too little, behind a vendor's name it is the vendor's. */
export const vendorKeys: ContextRule = {
  names: ['named-secret'],
  anchors: [' key is ', ' key: ', ' key = ', ' secret is ', ' token is '],
  open(text, report, effort) {
    return (start, end) => {
      const vendor = wordBefore(text, start + 1);
      if (vendor === null || vendor.text.length > LONGEST_TERM) return;
      if (kindOfName(`${vendor.text} key`) !== 'secret') return;
      hide({ text, report, effort, plainTo: 0 }, end, 'secret', true);
    };
  },
};

/** Where the hidden value ends; 0 when there is none. */
function lookAfter(reader: Reader, from: number, kind: Kind): number {
  const { text } = reader;
  const isUnspaced = text.charCodeAt(from - 1) >= FIRST_UNSPACED;
  const unspaced = isUnspaced ? afterParticle(text, from) : 0;
  if (unspaced > 0) return hide(reader, unspaced, kind, false);
  if (!BEHIND_TERM.includes(text[from] ?? '\n')) return 0;
  const first = nextWord(text, from);
  if (first === null) return 0;
  let word: Word | null = first;
  for (let gap = 0; word !== null && gap <= WIDEST_GAP; gap += 1) {
    if (isCopula(word, gap)) return lookBehindCopula(reader, word, kind);
    if (!GAP_WORD.test(word.text) || TERMS.has(word.text.toLowerCase())) break;
    word = nextWord(text, word.start + word.text.length);
  }
  return first.start === from ? 0 : hide(reader, first.start, kind, true);
}

function lookBehindCopula(reader: Reader, copula: Word, kind: Kind): number {
  const { text } = reader;
  let value = nextWord(text, copula.start + copula.text.length);
  for (let skipped = 0; value !== null && skipped < 3; skipped += 1) {
    if (!FILLERS.has(value.text.toLowerCase()) && !COPULAS.has(value.text)) break;
    value = nextWord(text, value.start + value.text.length);
  }
  return value === null ? 0 : hide(reader, value.start, kind, false);
}

/** What a sentence or a note goes on with behind the term. */
const BEHIND_TERM = ' \t:：="\'`*_)]’”»';
const FIRST_UNSPACED = 0x0e00;

/** Words of one clause: no quotes, brackets or ends of sentences. */
const GAP_WORD = /^[\p{L}\p{N}@'’_-]{1,32}(?:\.[\p{L}\p{N}]{1,16}){0,4}$/u;
const DASHES = /^[-—–]$/;
const WORD = /[^\S\r\n]{0,8}(\S{1,80})/y;

/** The next word of the line. */
function nextWord(text: string, from: number): Word | null {
  WORD.lastIndex = from;
  const match = WORD.exec(text);
  return match === null ? null : { text: match[1] as string, start: WORD.lastIndex - (match[1] as string).length };
}

const LONGEST_COPULA = 8;

/** A dash ties only what stands right beside it. */
function isCopula({ text }: Word, gap: number): boolean {
  if (DASHES.test(text)) return gap === 0;
  return (
    (text.length <= LONGEST_COPULA && COPULAS.has(text.toLowerCase())) ||
    (/[:=：]$/.test(text) && !text.startsWith('http'))
  );
}

/**
 * `密码是…`, `パスワードは…`: particles, brackets and the value follow without a blank. A number of characters is none.
 */
const PARTICLES =
  /[ \u3000]{0,2}[是为為はがを는은이가：:＝=「『“"'（(\u3000 ]{1,5}(?=[!-~])(?!\d{1,3}(?:文字|桁|位|个|個|자))/y;

function afterParticle(text: string, from: number): number {
  PARTICLES.lastIndex = from;
  return PARTICLES.test(text) ? PARTICLES.lastIndex : 0;
}

const DETERMINERS = new Set(
  (
    'the my our your his her their its a an new old root admin temp temporary current wifi wi-fi db database master login ' +
    'user account staging prod production test das mein unser dein ihr neue le mon notre ton votre la mi nuestra el su o a ' +
    'minha nossa il mio nostra'
  ).split(' '),
);

/** Words that tie without an article: "try … as password". */
const ROLES = new Set('as als como comme'.split(' '));

const LINKS = new Set('is was as ist war als est comme es como é è come'.split(' '));

/** "… is the password", "use … as your password". */
function lookBefore(reader: Reader, at: number, kind: Kind): number {
  const { text } = reader;
  if (text[at - 1] !== ' ') return 0;
  let word = wordBefore(text, at);
  let determiners = 0;
  while (word !== null && determiners < 5 && DETERMINERS.has(word.text.toLowerCase())) {
    word = wordBefore(text, word.start);
    determiners += 1;
  }
  if (
    word === null ||
    (determiners === 0 && !ROLES.has(word.text.toLowerCase())) ||
    !LINKS.has(word.text.toLowerCase())
  )
    return 0;
  const value = wordBefore(text, word.start);
  return value === null ? 0 : hide(reader, value.start, kind, false);
}

/** Longest word looked back over. */
const LONGEST_WORD = 80;

function wordBefore(text: string, at: number): Word | null {
  let end = at;
  while (text[end - 1] === ' ') end -= 1;
  let start = end;
  while (start > 0 && end - start < LONGEST_WORD && text.charCodeAt(start - 1) > 0x20) start -= 1;
  return start === end || at - end > 3 ? null : { text: text.slice(start, end), start };
}

const lineAfter = (text: string, from: number): string => {
  const line = text.slice(from, from + REACH);
  const end = line.search(/[\r\n]/);
  return end === -1 ? line : line.slice(0, end);
};

const OPENING = /["'`*_(<[«“„‘「『]{0,4}/y;
const CLOSING: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '`': '`',
  '“': '”',
  '„': '“',
  '‘': '’',
  '«': '»',
  '「': '」',
  '『': '』',
};

function hide(reader: Reader, from: number, kind: Kind, isLoose: boolean): number {
  const { text, report, effort } = reader;
  OPENING.lastIndex = from;
  const opening = OPENING.exec(text)?.[0] ?? '';
  const start = afterOpening(text, from + opening.length);
  const closing = CLOSING[opening.at(-1) ?? ''];
  const quotedEnd = closing === undefined ? -1 : lineAfter(text, start).indexOf(closing);
  const isQuoted = quotedEnd > 0;
  const end = isQuoted ? start + quotedEnd : start + bareLength(text, start);
  const value = text.slice(start, end);
  effort.values -= 1 + (end - start) / USUAL_LENGTH;
  const isWord = kind === 'password' && !isQuoted && isUncommonWord(text, start, end);
  if (!isWord && (kindOfName(value) !== null || !isSecretValue(value, kind, { isQuoted, isLoose }))) return 0;
  const hiddenTo = end - start < REACH ? end : runEndAfter(text, end);
  report({ rule: kind === 'password' ? 'password' : 'named-secret', start, end: hiddenTo, rank: 1 });
  return hiddenTo;
}

/** How far is looked when looking closely has become too much. */
const UNREAD = 48;

/** The first word that has both a letter and a digit. */
function hideUnread(reader: Reader, from: number, kind: Kind): number {
  const { text, report } = reader;
  const limit = Math.min(text.length, from + UNREAD);
  for (let start = Math.max(from, reader.plainTo); start < limit; ) {
    let end = start;
    while (end < limit && !isOf(VALUE_END, text, end)) end += 1;
    if (end - start >= 4 && isMixed(text.slice(start, end))) {
      const hiddenTo = runEndAfter(text, end);
      report({ rule: kind === 'password' ? 'password' : 'named-secret', start, end: hiddenTo, rank: 1 });
      return hiddenTo;
    }
    start = end + 1;
    if (end < limit) reader.plainTo = start;
  }
  return 0;
}

/** What is hidden already begins with a bracket of its own. */
const afterOpening = (text: string, at: number): number => (text.startsWith('[secret:', at - 1) ? at - 1 : at);

/** What is hidden already counts as one character, so that hiding does not move where a value ends. */
const BARE = /(?:\[secret:[a-z0-9-]{1,40}#[0-9a-f]{4}\]|[^\s"`<>\\，。、」』]){0,120}/y;

/** Up to a blank, a quote or a tag, without the punctuation of the sentence. */
function bareLength(text: string, start: number): number {
  BARE.lastIndex = start;
  const word = BARE.exec(text)?.[0] ?? '';
  return word.endsWith(']') && word.includes('[secret:') ? word.length : trimEndOf(word, ".,;:?)]}'*_").length;
}

const COPULA_BEFORE = /(?<![\p{L}\p{N}])(is|was|ist|est|es|è|é) ["'`]{0,1}$/iu;

/** "The password is swordfish.": a word that ends the sentence and is nothing one says about passwords. */
function isUncommonWord(text: string, start: number, end: number): boolean {
  const word = text.slice(start, end);
  if (!/^[A-Za-z]{6,24}$/.test(word) || !/^(?:[.!](?:\s|$)|\n|$)/.test(text.slice(end, end + 2))) return false;
  const copula = COPULA_BEFORE.exec(text.slice(Math.max(0, start - 8), start))?.[1];
  if (copula === undefined || ATTRIBUTES.has(word.toLowerCase()) || ATTRIBUTE_ENDING.test(word)) return false;
  return !(ATTRIBUTES_AFTER[copula.toLowerCase()]?.test(word) ?? false);
}
