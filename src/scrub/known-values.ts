import { BLANK, DIGIT, has, LETTER, SIGN, traitsOf } from './assignment/traits.ts';
import { ALNUM, isOf } from './chars.ts';
import { isFiller, randomChars } from './randomness.ts';
import type { Hit } from './rules/rule.ts';

/** The values found in a record, to be hidden wherever else they stand in it. */
export interface KnownValues {
  /** True when no such value stands in the text as it is written. */
  isFreeOf(text: string): boolean;
  /** Where they stand, in order; may overlap. `isProse`: in a text that a person wrote, rather than a name or an id. */
  find(text: string, isProse: boolean): readonly Hit[];
}

/** Shorter values stand in too many other words. */
const SHORTEST = 6;

/** Shortest value that is hidden where it is all that a line says: no rule hides a shorter one. */
const SHORTEST_ALONE = 4;

/** Fewer characters than any phrase of three words that counts as one. */
const SHORTEST_PHRASE = 12;

/** From here on a value is no part of another word by chance. */
const UNMISTAKABLE = 16;

/** Longer values are private keys, which are recognised wherever they stand. */
const LONGEST = 4096;

/** Distinct values of one record that are looked for, and their characters: building the index takes some 20 ms for them all. */
const MOST_VALUES = 1024;
const MOST_CHARS = 65_536;

/** Null when nothing that was found can stand elsewhere. `identifiers` are whole strings that are left as they are. */
export function createKnownValues(found: readonly Hit[], identifiers: ReadonlySet<string>): KnownValues | null {
  const values = new Map<string, KnownValue>();
  let chars = 0;
  for (const hit of found) {
    const { secret } = hit;
    if (secret.length < SHORTEST_ALONE || secret.length > LONGEST || secret.includes('[secret:')) continue;
    if (values.has(secret) || values.size >= MOST_VALUES || chars + secret.length > MOST_CHARS) continue;
    const isPart = secret.length < UNMISTAKABLE || hit.rank === 2;
    values.set(secret, { ...hit, isPlain: !isTelling(hit), isPart });
    chars += secret.length;
  }
  if (values.size === 0) return null;
  const search = createSearch([...values.values()]);
  return {
    isFreeOf: (text) => !search(text, true, () => true),
    find(text, isProse) {
      const hits: Hit[] = [];
      if (identifiers.has(text)) return hits;
      search(text, isProse, (hit) => {
        hits.push(hit);
        return false;
      });
      return hits;
    },
  };
}

interface KnownValue extends Hit {
  /** May be an ordinary word or number elsewhere. */
  readonly isPlain: boolean;
  /** May be part of another word, number or piece of data by chance, as what only looks like a key may be. */
  readonly isPart: boolean;
}

/**
 * Whether a value means the same wherever it stands. A secret with a form of its own does, and what no language has for a
 * word; a word somebody took for a password does not, nor does a number of a few digits.
 */
function isTelling({ secret, rank }: Hit): boolean {
  if (secret.length < SHORTEST) return false;
  if (rank > 1) return true;
  if (isFiller(secret)) return false;
  const traits = traitsOf(secret);
  if (has(traits, BLANK)) return secret.length >= SHORTEST_PHRASE;
  if (traits === DIGIT) return true;
  if (has(traits, LETTER)) return has(traits, DIGIT | SIGN) || randomChars(secret) >= SHORTEST;
  return has(traits, SIGN);
}

/** Receives a place where a value stands; true ends the search. */
type OnFound = (hit: Hit) => boolean;

/** Values that end at one place and are looked at: each is the end of the one before it. */
const MOST_ENDING = 8;

/**
 * All values in one pass (Aho and Corasick, 1975), as for the literals of the rules; but these are few and new with every
 * record, so that a table for them would take longer to write than the texts to read. Returns whether it was ended.
 */
function createSearch(values: readonly KnownValue[]): (text: string, isProse: boolean, onFound: OnFound) => boolean {
  if (values.length === 0) return () => false;
  const look = createFirstLook(values);
  let trie: Trie | undefined;
  return (text, isProse, onFound) => {
    const first = look.first(text);
    if (first === -1) return false;
    // Only where a value seems to stand: most records hold each of them once, and that place is hidden already.
    trie ??= buildTrie(values);
    const { next, suffix, value, shorter } = trie;
    let state = 0;
    for (let at = first; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (state === 0 && !look.begins(text, at)) continue;
      let following = next.get(state * UNITS + unit);
      while (following === undefined && state !== 0) {
        state = suffix[state] as number;
        following = next.get(state * UNITS + unit);
      }
      state = following ?? 0;
      let ending = value[state] === -1 ? (shorter[state] as number) : state;
      for (let looked = 0; ending !== 0 && looked < MOST_ENDING; looked += 1) {
        const { rule, secret, isPlain, isPart } = values[value[ending] as number] as KnownValue;
        const end = at + 1;
        const start = end - secret.length;
        if (
          (!isPart || standsAlone(secret, text, start, end)) &&
          (!isPlain || (isProse && isWholeLine(text, start, end)))
        ) {
          if (onFound({ rule, secret, start, end, rank: 3 })) return true;
          break;
        }
        ending = shorter[ending] as number;
      }
    }
    return false;
  };
}

/** UTF-16 code units. */
const UNITS = 0x10000;

/** Whether no letter or digit of the value goes on beside it. */
function standsAlone(secret: string, text: string, start: number, end: number): boolean {
  const continuesBefore = isOf(ALNUM, secret, 0) && isOf(ALNUM, text, start - 1);
  return !continuesBefore && !(isOf(ALNUM, secret, secret.length - 1) && isOf(ALNUM, text, end));
}

/** Quotes, marks and blanks around what a line says, and the punctuation that ends it. */
const AROUND = ' \t\u00a0"\'`*_~<>()[].,:;!?';
const MOST_AROUND = 16;

function isWholeLine(text: string, start: number, end: number): boolean {
  let from = start;
  while (start - from < MOST_AROUND && from > 0 && AROUND.includes(text[from - 1] as string)) from -= 1;
  let to = end;
  while (to - end < MOST_AROUND && to < text.length && AROUND.includes(text[to] as string)) to += 1;
  return (from === 0 || isLineEnd(text[from - 1])) && (to === text.length || isLineEnd(text[to]));
}

const isLineEnd = (char: string | undefined): boolean => char === '\n' || char === '\r';

/**
 * A cheap first look. A value of `step + 1` characters or more holds `step` pairs of neighbours, so that one of them begins
 * at a multiple of `step` wherever the value stands: only there the text is looked at.
 */
function createFirstLook(values: readonly Hit[]): {
  begins(text: string, at: number): boolean;
  first(text: string): number;
} {
  const step = Math.min(LONGEST_STEP, ...values.map(({ secret }) => secret.length - 1));
  const size = values.length > FEW ? MANY_PAIRS : FEW_PAIRS;
  const pairs = new Uint8Array(size);
  const beginnings = new Set<number>();
  for (const { secret } of values) {
    for (let at = 0; at < step; at += 1) pairs[pairAt(secret, at) & (size - 1)] = 1;
    beginnings.add(beginningAt(secret, 0));
  }
  const begins = (text: string, at: number): boolean => beginnings.has(beginningAt(text, at));
  return {
    begins,
    first(text) {
      for (let probe = step - 1; probe + 1 < text.length; probe += step) {
        if (pairs[pairAt(text, probe) & (size - 1)] !== 1) continue;
        for (let at = probe - step + 1; at <= probe; at += 1) if (begins(text, at)) return at;
      }
      return -1;
    },
  };
}

const LONGEST_STEP = 32;

/** Entries of the table of pairs, powers of two: the smaller takes no time to make, the larger stays sparse. */
const FEW = 4;
const FEW_PAIRS = 4096;
const MANY_PAIRS = 65_536;
const pairAt = (text: string, at: number): number => text.charCodeAt(at) * 521 + text.charCodeAt(at + 1);

/** The same number for the same four characters; values have at least as many. */
const beginningAt = (text: string, at: number): number =>
  (Math.imul(text.charCodeAt(at) * UNITS + text.charCodeAt(at + 1), 31) +
    text.charCodeAt(at + 2) * UNITS +
    text.charCodeAt(at + 3)) |
  0;

type Trie = ReturnType<typeof buildTrie>;

/**
 * State 0 is the root. `suffix` is the state of the longest proper suffix, `value` the number of the value that ends in
 * a state or -1, `shorter` the next state along the suffixes in which a value ends, or 0.
 */
function buildTrie(values: readonly Hit[]) {
  const next = new Map<number, number>();
  const value = [-1];
  const edges: number[][] = [[]];
  values.forEach(({ secret }, number) => {
    let state = 0;
    for (let at = 0; at < secret.length; at += 1) {
      const edge = state * UNITS + secret.charCodeAt(at);
      let child = next.get(edge);
      if (child === undefined) {
        child = value.push(-1) - 1;
        edges.push([]);
        next.set(edge, child);
        edges[state]?.push(secret.charCodeAt(at), child);
      }
      state = child;
    }
    value[state] = number;
  });
  const suffix = new Uint32Array(value.length);
  const shorter = new Uint32Array(value.length);
  const queue = [0];
  for (const state of queue) {
    const around = edges[state] as number[];
    for (let i = 0; i < around.length; i += 2) {
      const unit = around[i] as number;
      const child = around[i + 1] as number;
      queue.push(child);
      if (state === 0) continue;
      let from = suffix[state] as number;
      while (from !== 0 && !next.has(from * UNITS + unit)) from = suffix[from] as number;
      const longest = next.get(from * UNITS + unit) ?? 0;
      suffix[child] = longest;
      shorter[child] = value[longest] === -1 ? (shorter[longest] as number) : longest;
    }
  }
  return { next, suffix, value, shorter };
}
