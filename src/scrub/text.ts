import { named } from './assignment/named.ts';
import { kindOfName } from './assignment/names.ts';
import { type Base64Block, base64Blocks } from './base64.ts';
import { allowDecoding, type Effort, isSpent } from './effort.ts';
import { applySplices, isJsonText, jsonSplices, type Splice } from './json-text.ts';
import type { Placeholder } from './placeholder.ts';
import { resolve } from './resolve.ts';
import type { Hit } from './rules/rule.ts';
import { NOTHING_FOUND, type Scanned, type Scanner, UNREAD } from './scan.ts';
import type { Cleaned } from './tree.ts';
import type { Reading } from './views/decoders.ts';

/**
 * A replacement can bring new neighbours together, so cleaning is repeated until nothing is found; that makes it
 * idempotent by construction. Real text needs one round and the look that confirms it.
 */
const ROUNDS = 5;

/** How deep base64 and JSON inside strings are opened: mail in a log line in a payload needs four. */
const DEEPEST = 6;

/** Called with what each round replaces in the text the round before left. */
export type OnRound = (splices: readonly Splice[]) => void;

/** A text in which nothing is left to hide, as it was looked at. */
export interface CleanText {
  readonly text: string;
  readonly scanned: Scanned;
  readonly readings: readonly Reading[];
}

/** Cleans one string; null when there is nothing to hide. */
export type TextCleaner = (text: string, name: string, isLoose: boolean, onRound?: OnRound) => Cleaned | null;

export function createTextCleaner(
  scanner: Scanner,
  placeholder: Placeholder,
  effort: Effort,
  {
    onHidden,
    onClean,
  }: {
    readonly onHidden?: (hit: Hit) => void;
    readonly onClean?: (clean: CleanText) => void;
  } = {},
): TextCleaner {
  const { scan, readings, isQuiet } = scanner;
  let lastClean = '';
  /**
   * What was found clean or left clean inside the string that is being cleaned, with the context it was judged in. Each
   * round looks at all of a string, and would look again at all that is inside it, and so on inwards.
   */
  const judged = new Map<string, string>();
  let unreadAs: string | null = null;
  const clean = (
    original: string,
    name: string,
    isLoose: boolean,
    depth: number,
    onRound?: OnRound,
  ): Cleaned | null => {
    const context = depth === 0 ? '' : `${depth} ${isLoose} ${name}`;
    if (depth > 0 && judged.get(original) === context) return null;
    if (effort.strings <= 0) return unread(original, name, onRound);
    let splices = splicesOf(original, name, isLoose, depth);
    if (splices.length === 0) {
      if (depth > 0 && original.length >= REMEMBERED) judged.set(original, context);
      return null;
    }
    effort.strings -= 1;
    const counts = new Map<string, number>();
    let text = original;
    for (let round = 1; splices.length > 0; round += 1) {
      onRound?.(splices);
      text = applySplices(text, splices);
      count(splices, counts);
      splices = round < ROUNDS ? splicesOf(text, name, isLoose, depth) : NONE;
    }
    if (depth > 0 && text.length >= REMEMBERED) judged.set(text, context);
    return { text, counts };
  };

  /** Hidden whole, unless it certainly holds nothing or is hidden already. */
  const unread = (text: string, name: string, onRound?: OnRound): Cleaned | null => {
    if ((kindOfName(name) === null && isQuiet(text)) || text.length < SHORTEST || IS_HIDDEN.test(text)) return null;
    unreadAs ??= placeholder(UNREAD, '');
    onRound?.([{ start: 0, end: text.length, text: unreadAs, counts: ONCE_UNREAD }]);
    return { text: unreadAs, counts: ONCE_UNREAD };
  };

  const splicesOf = (text: string, name: string, isLoose: boolean, depth: number): readonly Splice[] => {
    if (depth < DEEPEST && isJsonText(text)) {
      return jsonSplices(text, (inner, key, isKeyLoose) => clean(inner, key, isKeyLoose, depth + 1));
    }
    const scanned = text === lastClean ? NOTHING_FOUND : scan(text);
    const hit = name === '' ? null : named(text, name, isLoose);
    if (scanned.marks === 0 && scanned.hits.length === 0 && scanned.encoded.length === 0 && hit === null) {
      if (text.length >= REMEMBERED && !isSpent(effort)) lastClean = text;
      return NONE;
    }
    const read = scanned.marks === 0 ? NO_READINGS : readings(text, scanned.marks);
    const hits = [...scanned.hits, ...hitsInReadings(read, scanner)];
    if (hit !== null) hits.push(hit);
    const splices = hits.length === 0 ? NONE : hidden(hits, scanned, placeholder, onHidden);
    const all = depth >= DEEPEST ? splices : withEncoded(text, scanned, splices, depth);
    if (all.length === 0 && depth === 0) onClean?.({ text, scanned, readings: read });
    return all;
  };

  const withEncoded = (
    text: string,
    scanned: Scanned,
    splices: readonly Splice[],
    depth: number,
  ): readonly Splice[] => {
    if (scanned.encoded.length === 0) return splices;
    const cleanInner = (inner: string): Cleaned | null => clean(inner, '', false, depth + 1);
    const encoded = encodedSplices(text, scanned, splices, cleanInner, effort);
    return encoded.length === 0 ? splices : [...splices, ...encoded].sort((a, b) => a.start - b.start);
  };

  return (text, name, isLoose, onRound) => {
    if (name === '' && isQuiet(text)) return null;
    allowDecoding(effort, text.length);
    const cleaned = clean(text, name, isLoose, 0, onRound);
    judged.clear();
    return cleaned;
  };
}

const NONE: readonly Splice[] = [];
const NO_READINGS: readonly Reading[] = [];

/** Shorter strings hold no secret. */
const SHORTEST = 4;
const IS_HIDDEN = /^\[secret:[a-z0-9-]{1,40}#[0-9a-f]{4}\]$/;
const ONCE_UNREAD: ReadonlyMap<string, number> = new Map([[UNREAD, 1]]);

/** A message's text stands in the event and again in its payload. Shorter strings are looked at as fast as compared. */
const REMEMBERED = 48;

function hidden(
  hits: readonly Hit[],
  { shields }: Scanned,
  placeholder: Placeholder,
  onHidden: ((hit: Hit) => void) | undefined,
): Splice[] {
  /** People repeat what they paste; a digest costs more than looking it up. */
  const known = new Map<string, { readonly rule: string; readonly text: string }>();
  return resolve(hits, shields).map((hit) => {
    const { rule, start, end, secret } = hit;
    onHidden?.(hit);
    // By the secret itself: a string built from it would be hashed anew for each of the parts of a long one.
    const earlier = known.get(secret);
    const text = earlier?.rule === rule ? earlier.text : placeholder(rule, secret);
    known.set(secret, { rule, text });
    return { start, end, text, counts: new Map([[rule, 1]]) };
  });
}

function hitsInReadings(readings: readonly Reading[], { scan, scanForForms }: Scanner): readonly Hit[] {
  return readings.flatMap(({ view, isJoined }) => {
    const hits = isJoined
      ? scanForForms(view.text).filter(({ start, end }) => view.isAltered(start, end))
      : scan(view.text).hits;
    return hits.map((hit) => {
      const [start, end] = view.toOriginal(hit.start, hit.end);
      return { ...hit, start, end };
    });
  });
}

/** Text in base64 is cleaned and encoded again, so that a mail body stays one. `taken` is in order. */
function encodedSplices(
  text: string,
  { encoded }: Scanned,
  taken: readonly Splice[],
  clean: (text: string) => Cleaned | null,
  effort: Effort,
): Splice[] {
  const splices: Splice[] = [];
  const late: Base64Block[] = [];
  let from = 0;
  let next = 0;
  for (const run of encoded) {
    if (run.end <= from) continue;
    for (const block of base64Blocks(text, Math.max(run.start, from), run.end)) {
      from = block.end;
      while ((taken[next]?.end ?? Number.POSITIVE_INFINITY) <= block.start) next += 1;
      if ((taken[next]?.start ?? Number.POSITIVE_INFINITY) < block.end) continue;
      effort.blocks -= 1;
      effort.decoded -= block.end - block.start;
      if (effort.decoded < 0) splices.push({ ...stretchOf(block), text: block.encode(HIDDEN), counts: ONCE_UNREAD });
      else if (effort.blocks < 0) late.push(block);
      else {
        const cleaned = clean(block.decode());
        if (cleaned === null) continue;
        splices.push({ ...stretchOf(block), text: block.encode(cleaned.text), counts: cleaned.counts });
      }
    }
  }
  return [...splices, ...lateSplices(late, clean)];
}

const stretchOf = ({ start, end }: Base64Block) => ({ start, end });

/** Stands, encoded, for a block that was hidden whole. */
const HIDDEN = 'hidden';

/** Too many to look at one by one: together they are clean, or hidden whole. */
function lateSplices(blocks: readonly Base64Block[], clean: (text: string) => Cleaned | null): Splice[] {
  const cleaned = blocks.length === 0 ? null : clean(blocks.map((block) => block.decode()).join('\n'));
  if (cleaned === null) return [];
  return blocks.map((block) => ({ ...stretchOf(block), text: block.encode(HIDDEN), counts: cleaned.counts }));
}

function count(splices: readonly Splice[], counts: Map<string, number>): void {
  for (const splice of splices) {
    for (const [rule, times] of splice.counts) counts.set(rule, (counts.get(rule) ?? 0) + times);
  }
}
