import { DIGIT, isOf } from './chars.ts';

/**
 * Telling a generated value from words. Names, identifiers, paths and version numbers are made of pronounceable
 * pieces; a key is not. All functions are linear in their input, which callers keep short.
 */

/**
 * For each letter, the letters that follow it in 97.5 % of the letter pairs of English words and identifiers (counted
 * over 2.8 million pairs in the documentation and type files of some 300 packages). Of all pairs 40 % are in here, so
 * random letters score about 0.4 and words about 0.97.
 */
const FOLLOWERS: Readonly<Record<string, string>> = {
  a: 'bcdfgiklmnprstuvxy',
  b: 'aeijlorsu',
  c: 'acehiklorstuy',
  d: 'adeilorsuy',
  e: 'abcdefgilmnopqrstvwxy',
  f: 'aefilortuy',
  g: 'aeghilnorsu',
  h: 'aeiortu',
  i: 'abcdefglmnoprstvz',
  j: 'eos',
  k: 'eis',
  l: 'adeilostuy',
  m: 'abeimopsu',
  n: 'acdefgiklnopstuvy',
  o: 'abcdfgiklmnoprstuvw',
  p: 'adeiloprstu',
  q: 'u',
  r: 'acdefgiklmnoprstuvy',
  s: 'acehiklopstuy',
  t: 'acehiloprstuwy',
  u: 'abcdegilmnprst',
  v: 'aeio',
  w: 'aehinors',
  x: 'aeipt',
  y: 'nops',
  z: 'eo',
};

/** Share of usual letter pairs from which letters count as words: between 0.4 (random) and 0.97 (words); half for short ones. */
const WORDY_SHARE = 0.68;

/** Letters this short say nothing either way. */
const UNTELLING_LETTERS = 4;

/**
 * True for what documentation puts where a secret goes: `xxxxxxxx`, `****`, `....`, one character eight times in a row
 * or ten in the order of the alphabet. Only the end is looked at: prefixes are not filler.
 */
export function isFiller(text: string): boolean {
  const from = Math.max(0, text.length - 40);
  const allowed = Math.min(4, Math.max(2, (text.length - from) >> 2));
  let distinct = '';
  let repeats = 0;
  let ascending = 0;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at] as string;
    const step = at > from ? text.charCodeAt(at) - text.charCodeAt(at - 1) : 2;
    repeats = step === 0 ? repeats + 1 : 0;
    ascending = step === 1 ? ascending + 1 : 0;
    if (repeats === 7 || ascending === 9) return true;
    if (distinct.length <= allowed && !distinct.includes(char)) distinct += char;
  }
  return distinct.length <= allowed;
}

/** Few different characters: a form filled with one. */
export const isMonotone = (text: string): boolean => new Set(text).size <= 4;

/** No filler, and both letters and digits: enough where the form itself is telling. */
export const isVaried = (text: string): boolean => /\d/.test(text) && /[A-Za-z]/.test(text) && !isFiller(text);

/** True when letters read like words. */
function isWordy(letters: string): boolean {
  if (letters.length <= UNTELLING_LETTERS) return true;
  const lower = letters.toLowerCase();
  let usual = 0;
  for (let i = 1; i < lower.length; i += 1) {
    if (FOLLOWERS[lower[i - 1] as string]?.includes(lower[i] as string)) usual += 1;
  }
  return usual >= (lower.length < 8 ? 0.5 : WORDY_SHARE) * (lower.length - 1);
}

/** How many characters of the text belong to runs of letters and digits that cannot be read as words or numbers. */
export function randomChars(text: string): number {
  let count = 0;
  for (const run of text.match(/[A-Za-z0-9]+/g) ?? []) if (isRandomRun(run)) count += run.length;
  return count;
}

/** True when most of the text is generated, and at least `least` characters of it. */
export function looksRandom(text: string, least: number): boolean {
  if (isFiller(text)) return false;
  const random = randomChars(text);
  return random >= least && random * 2 >= text.length;
}

/** Digits and letters alternate in a key; in `sha256`, `v2beta1`, `x86` or `oauth2client` they do so once or twice. */
const MOST_WORDY_PIECES = 4;

/** Digits in a row from which a number is no version, port, year or date. */
const LONG_NUMBER = 15;

/** Letters from which on a readable piece is a word and no accident. */
const LEAST_WORD = 5;

function isRandomRun(run: string): boolean {
  const pieces = run.match(/[A-Za-z]+|\d+/g) ?? [];
  if (pieces.length === 1) return isOf(DIGIT, run, 0) ? run.length >= LONG_NUMBER : !isReadable(run);
  let words = 0;
  let isUnreadable = pieces.length > MOST_WORDY_PIECES;
  for (const piece of pieces) {
    if (isOf(DIGIT, piece, 0)) isUnreadable ||= piece.length > 8;
    else if (!isReadable(piece)) isUnreadable = true;
    else if (piece.length >= LEAST_WORD) words += piece.length;
  }
  return (
    isUnreadable && (words * 4 < run.length * 3 || (pieces.length > MOST_WORDY_PIECES && words * 8 < run.length * 7))
  );
}

/** Words, in any of `camelCase`, `PascalCase`, `UPPER` or `lower`. */
function isReadable(letters: string): boolean {
  if (!isWordy(letters)) return false;
  const humps = letters.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  return letters.length < 8 || letters.length >= (letters.length < 12 ? 2.4 : 3.2) * humps.length;
}
