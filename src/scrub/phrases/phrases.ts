import { kindOfName } from '../assignment/names.ts';
import { isSecretValue } from '../assignment/verdict.ts';
import type { ContextRule, Report } from '../rules/rule.ts';
import { ATTRIBUTE_ENDING, ATTRIBUTES, CODE_WORDS, COPULAS, FILLERS, PASSWORD_WORDS, TOKEN_WORDS } from './words.ts';

/** Characters of a sentence looked at on either side of the word. */
const REACH = 120;

/** Words between `password` and the copula: "the password for the staging server is". */
const WIDEST_GAP = 6;

interface Word {
  readonly text: string;
  readonly start: number;
}

type Kind = 'password' | 'secret' | 'code';

const PASSWORDS = new Set(PASSWORD_WORDS);
const CODES = new Set(CODE_WORDS);

const kindOfTerm = (term: string): Kind => (PASSWORDS.has(term) ? 'password' : CODES.has(term) ? 'code' : 'secret');

/** "The password is …", "… ist das Passwort", "use … as the password", "密码是…": what people write in chats. */
export const phrases: ContextRule = {
  names: ['password', 'named-secret'],
  anchors: [...PASSWORD_WORDS, ...TOKEN_WORDS, ...CODE_WORDS],
  open(text, report) {
    let hiddenTo = 0;
    return (start, end) => {
      if (start < hiddenTo) return;
      const term = readTerm(text, start, end);
      if (term === null) return;
      const after = lookAfter(text, term.end, term.kind, report);
      hiddenTo = Math.max(hiddenTo, term.end, after, lookBefore(text, term.start, term.kind, report));
    };
  },
};

const LETTER = /[\p{L}\p{N}_-]/u;
const UNSPACED = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/;

interface Term {
  readonly start: number;
  readonly end: number;
  readonly kind: Kind;
}

/** Longest identifier that counts as a term. */
const LONGEST_TERM = 48;

/** The word as a whole: `client_secret` is one term, `tokenizer` is none. Scripts without blanks have no such border. */
function readTerm(text: string, start: number, end: number): Term | null {
  const kind = kindOfTerm(text.slice(start, end).toLowerCase());
  if (UNSPACED.test(text[start] as string)) return { start, end, kind };
  let from = start;
  let to = end;
  while (from > 0 && start - from < LONGEST_TERM && LETTER.test(text[from - 1] as string)) from -= 1;
  while (to < text.length && to - end < LONGEST_TERM && LETTER.test(text[to] as string)) to += 1;
  if (/[.=[(]/.test(text[to] ?? '') && !/^\.(?:\s|$)/.test(text.slice(to, to + 2))) return null;
  if (from === start && (to === end || (to === end + 1 && /[sS]/.test(text[end] as string))))
    return { start, end: to, kind };
  const name = kindOfName(text.slice(from, to));
  return name === 'password' || name === 'secret' ? { start: from, end: to, kind: name } : null;
}

/** Where the hidden value ends; 0 when there is none. */
function lookAfter(text: string, from: number, kind: Kind, report: Report): number {
  const words = wordsIn(lineAfter(text, from), from);
  const unspaced = UNSPACED.test(text[from - 1] as string) ? afterParticle(text, from) : 0;
  if (unspaced > 0) return hide(text, unspaced, kind, false, report);
  const copula = words.slice(0, WIDEST_GAP + 1).findIndex(isCopula);
  const first = words[0];
  if (copula === -1)
    return first === undefined || first.start === from ? 0 : hide(text, first.start, kind, true, report);
  if (words.slice(0, copula).some(({ text: word }) => !GAP_WORD.test(word))) return 0;
  if (copula > 0 && DASHES.test((words[copula] as Word).text)) return 0;
  const value = words
    .slice(copula + 1)
    .find(({ text: word }) => !FILLERS.has(word.toLowerCase()) && !COPULAS.has(word));
  return value === undefined ? 0 : hide(text, value.start, kind, false, report);
}

/** Words of one clause: no quotes, brackets or ends of sentences. */
const GAP_WORD = /^[\p{L}\p{N}@'’_-]+(?:\.[\p{L}\p{N}]+)*$/u;
const DASHES = /^[-—–]$/;

const isCopula = ({ text }: Word): boolean =>
  COPULAS.has(text.toLowerCase()) || (/[:=：]$/.test(text) && !/^https?:/.test(text));

/** `密码是…`, `パスワードは…`: particles, brackets and the value follow without a blank. */
const PARTICLES = /[ \u3000]{0,2}[是为為はがを는은이가：:＝=「『“"'（(\u3000 ]{1,5}(?=[!-~])/y;

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

/** "… is the password", "use … as your password". */
function lookBefore(text: string, at: number, kind: Kind, report: Report): number {
  const from = Math.max(0, at - REACH);
  const line = text.slice(from, at);
  const words = wordsIn(line.slice(line.lastIndexOf('\n') + 1), from + line.lastIndexOf('\n') + 1);
  let last = words.length - 1;
  while (last > 0 && DETERMINERS.has((words[last] as Word).text.toLowerCase())) last -= 1;
  const link = words[last]?.text.toLowerCase() ?? '';
  const value = words[last - 1];
  if (
    value === undefined ||
    last === words.length - 1 ||
    !/^(?:is|was|as|ist|war|als|est|comme|es|como|é|è|come)$/.test(link)
  )
    return 0;
  return hide(text, value.start, kind, false, report);
}

const lineAfter = (text: string, from: number): string => {
  const line = text.slice(from, from + REACH);
  const end = line.search(/[\r\n]/);
  return end === -1 ? line : line.slice(0, end);
};

const wordsIn = (line: string, offset: number): Word[] =>
  Array.from(line.matchAll(/\S+/g), ({ 0: text, index }) => ({ text, start: offset + index }));

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

function hide(text: string, from: number, kind: Kind, isLoose: boolean, report: Report): number {
  OPENING.lastIndex = from;
  const opening = OPENING.exec(text)?.[0] ?? '';
  const start = from + opening.length;
  const closing = CLOSING[opening.at(-1) ?? ''];
  const quotedEnd = closing === undefined ? -1 : lineAfter(text, start).indexOf(closing);
  const isQuoted = quotedEnd > 0;
  const end = isQuoted ? start + quotedEnd : start + bareLength(text, start);
  const value = text.slice(start, end);
  const isWord = kind === 'password' && !isQuoted && isUncommonWord(text, start, end);
  if (!isWord && (kindOfName(value) !== null || !isSecretValue(value, kind, { isQuoted, isLoose }))) return 0;
  report({ rule: kind === 'password' ? 'password' : 'named-secret', start, end, rank: 1 });
  return end;
}

/** Up to a blank, a quote or a tag, without the punctuation of the sentence. */
function bareLength(text: string, start: number): number {
  const word = /^[^\s"`<>\\，。、」』]*/.exec(text.slice(start, start + REACH))?.[0] ?? '';
  return word.replace(/[.,;:?)\]}'*_]+$/, '').length;
}

/** "The password is swordfish.": a word that ends the sentence and is nothing one says about passwords. */
function isUncommonWord(text: string, start: number, end: number): boolean {
  const word = text.slice(start, end);
  if (!/^[A-Za-z]{6,24}$/.test(word) || !/^(?:[.!](?:\s|$)|\n|$)/.test(text.slice(end, end + 2))) return false;
  const isSaid = /\b(?:is|was|ist|est|es|è|é) ["'`]{0,1}$/i.test(text.slice(Math.max(0, start - 8), start));
  return isSaid && !ATTRIBUTES.has(word.toLowerCase()) && !ATTRIBUTE_ENDING.test(word);
}
