import type { Decoder } from './decoder.ts';
import { type Decoded, decodeView } from './view.ts';

/** Unicode's default-ignorable characters and NUL: nobody sees them, so they can cut a secret unnoticed. */
const INVISIBLE: readonly (readonly [number, number])[] = [
  [0x00, 0x00],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
];

/** Drawn like ASCII: circled letters, letter-like symbols, full-width forms, and the mathematical alphabets (a surrogate). */
const LOOKALIKE: readonly (readonly [number, number])[] = [
  [0x2100, 0x214f],
  [0x2460, 0x24e9],
  [0xff01, 0xff5e],
];
const MATHEMATICAL = 0xd835;
/** Tag characters, invisible copies of ASCII, have this high surrogate. */
const TAGS = 0xdb40;

const KIND = new Uint8Array(0x10000);
const INVISIBLE_KIND = 1;
const LOOKALIKE_KIND = 2;
for (const [first, last] of INVISIBLE) KIND.fill(INVISIBLE_KIND, first, last + 1);
for (const [first, last] of LOOKALIKE) KIND.fill(LOOKALIKE_KIND, first, last + 1);
KIND[MATHEMATICAL] = LOOKALIKE_KIND;
KIND[TAGS] = INVISIBLE_KIND;

/** What the look-alikes of one unit stand for (NFKC), 0 for those that are no ASCII. */
const PLAIN = new Uint8Array(0x10000);
for (const [first, last] of LOOKALIKE) {
  for (let unit = first; unit <= last; unit += 1) PLAIN[unit] = plainUnit(String.fromCharCode(unit));
}

/** The same for the mathematical alphabets, by low surrogate. */
const FIRST_LOW = 0xdc00;
const PLAIN_MATHEMATICAL = Uint8Array.from({ length: 0x400 }, (_, low) =>
  plainUnit(String.fromCharCode(MATHEMATICAL, FIRST_LOW + low)),
);

function plainUnit(char: string): number {
  const plain = char.normalize('NFKC');
  return plain.length === 1 && plain <= '~' ? plain.charCodeAt(0) : 0;
}

/** ECMA-48 control sequences: the colours of a terminal. */
const ESCAPE = 0x1b;
const SEQUENCE = /\x1b\[[0-9;?]{0,16}[A-Za-z]/y;
KIND[ESCAPE] = INVISIBLE_KIND;

const marks = Array.from(KIND.keys(), (unit) => (KIND[unit] === 0 ? '' : String.fromCharCode(unit))).join('');

/** Invisible characters dropped, look-alikes read as what they look like (NFKC). */
export const disguises: Decoder = {
  mark: marks,
  occurs: (text) => nextEscape(text, 0) !== -1,
  decode: (text) => decodeView(text, nextEscape, decodeAt),
};

/** 0 for NaN too, which is what stands past the end. */
const mathematical = (low: number): number => (low >= FIRST_LOW ? (PLAIN_MATHEMATICAL[low - FIRST_LOW] ?? 0) : 0);

function nextEscape(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) if (KIND[text.charCodeAt(at)] !== 0) return at;
  return -1;
}

function decodeAt(text: string, at: number): Decoded | null {
  const unit = text.charCodeAt(at);
  if (unit === ESCAPE) {
    SEQUENCE.lastIndex = at;
    return SEQUENCE.test(text) ? { text: '', length: SEQUENCE.lastIndex - at } : null;
  }
  const length = Math.min(unit === MATHEMATICAL || unit === TAGS ? 2 : 1, text.length - at);
  if (KIND[unit] === INVISIBLE_KIND) return { text: '', length };
  const plain = unit === MATHEMATICAL ? mathematical(text.charCodeAt(at + 1)) : (PLAIN[unit] as number);
  return plain === 0 ? null : { text: String.fromCharCode(plain), length };
}
