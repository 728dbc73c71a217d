import { kindOfName } from './assignment/names.ts';

/**
 * What one call may still spend on looking closely. Nothing anybody wrote comes near; what was made to be slow would
 * otherwise take seconds a mebibyte. When it is spent, what is no plain word is hidden unread.
 */
export interface Effort {
  /** Strings in which something is hidden. */
  strings: number;
  /** Values that their name may give away. */
  values: number;
  /** Blocks of base64. */
  blocks: number;
  /** Characters of base64 decoded, those inside what was decoded included. */
  decoded: number;
  /** Hits in one text, from which on all that follows is one: a digest for each would take longer than reading the text. */
  readonly hits: number;
  /** Near misses of one rule in one text, from which on its matches are hidden without a second look. */
  readonly nearMisses: number;
}

/** About 20 µs a string, 1.5 µs a value and 6 µs a block: together less than 100 ms, the rest of the work included. */
const MOST = {
  strings: 1024,
  values: 16_384,
  blocks: 2048,
  decoded: 65_536,
  hits: 4096,
  nearMisses: 2048,
} as const satisfies Effort;

/**
 * Characters of base64 decoded for each character of a string. Levels inside one another are 1 + 3/4 + 9/16 + … characters,
 * and each is decoded twice where something is hidden in it: enough for three such levels, or for six clean ones.
 */
const DECODED_PER_CHARACTER = 5;

export const fullEffort = (): Effort => ({ ...MOST });

/**
 * For the values that were found once and are looked for everywhere: that costs a fraction of judging, and what is hidden
 * has its digest already.
 */
export const repeatEffort = (): Effort => ({ ...MOST, strings: 16 * MOST.strings });

/** Where nobody waits: a file may hold any number of secrets, and comes back whole. */
export const unboundedEffort = (): Effort => ({
  strings: Number.POSITIVE_INFINITY,
  values: Number.POSITIVE_INFINITY,
  blocks: Number.POSITIVE_INFINITY,
  decoded: Number.POSITIVE_INFINITY,
  hits: Number.POSITIVE_INFINITY,
  nearMisses: Number.POSITIVE_INFINITY,
});

/** Something may have been judged in haste: what came out clean then is not to be remembered as clean. */
export const isSpent = ({ strings, values, blocks, decoded }: Effort): boolean =>
  strings <= 0 || values <= 0 || blocks <= 0 || decoded <= 0;

export function renew(effort: Effort): void {
  Object.assign(effort, MOST);
}

/** A string of so many characters is about to be cleaned: the decoding inside it is bounded by its length. */
export function allowDecoding(effort: Effort, characters: number): void {
  effort.decoded += DECODED_PER_CHARACTER * characters;
}

/** Keys under which the value's name stands beside the value, as in `{ "name": "DB_PASSWORD", "value": "…" }`. */
export const NAME_KEY = /^(?:name|key|header|k)$/i;
export const VALUE_KEY = /^(?:value|val|v)$/i;

/** The parts of a Kubernetes Secret under which every value is one. */
export const isManifestData = (key: string): boolean => key === 'data' || key === 'stringData';

/** In a list the element before may name the next: `["--password", "…"]`, `["Authorization", "…"]`. */
export function isTelling(element: string): boolean {
  if (element.length > 64 || /\s/.test(element)) return false;
  const kind = kindOfName(element);
  return kind === 'password' || kind === 'secret';
}
