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
}

/** About 20 µs a string, 1.5 µs a value and 6 µs a block: together less than 100 ms, the rest of the work included. */
const MOST = { strings: 1024, values: 16_384, blocks: 2048, decoded: 65_536 } as const satisfies Effort;

/**
 * Characters decoded for each character of a string. Six levels of base64 inside one another are 3.3 characters in all,
 * as each level has three quarters of the one around it; where something is hidden in them, each is decoded twice.
 */
const DECODED_PER_CHARACTER = 8;

export const fullEffort = (): Effort => ({ ...MOST });

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
