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
}

/** About 20 µs a string, 1.5 µs a value and 6 µs a block: together less than 100 ms, the rest of the work included. */
const MOST = { strings: 1024, values: 16_384, blocks: 2048 } as const satisfies Effort;

export const fullEffort = (): Effort => ({ ...MOST });

/** Something may have been judged in haste: what came out clean then is not to be remembered as clean. */
export const isSpent = ({ strings, values, blocks }: Effort): boolean => strings <= 0 || values <= 0 || blocks <= 0;

export function renew(effort: Effort): void {
  Object.assign(effort, MOST);
}
