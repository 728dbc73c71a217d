/** Characters compared at a time. Shorter pieces are everyday language. */
const PIECE = 24;

/** All pieces of a text, to be looked up. */
export interface Pieces {
  readonly text: string;
  has(piece: string): boolean;
}

export function piecesOf(text: string): Pieces {
  const pieces = new Set<string>();
  for (let at = 0; at + PIECE <= text.length; at += 1) pieces.add(text.slice(at, at + PIECE));
  return { text, has: (piece) => pieces.has(piece) };
}

export interface Overlap {
  /** Characters of the longest part that stands in both. */
  readonly longest: number;
  /** Characters of `text` that are part of one. */
  readonly total: number;
}

/** What of `text` stands in the other text too. */
export function overlap(text: string, other: Pieces): Overlap {
  if (other.text.length < PIECE) {
    const isThere = other.text !== '' && text.includes(other.text);
    return { longest: isThere ? other.text.length : 0, total: isThere ? other.text.length : 0 };
  }
  let longest = 0;
  let total = 0;
  let run = 0;
  for (let at = 0; at + PIECE <= text.length; at += 1) {
    run = other.has(text.slice(at, at + PIECE)) ? (run === 0 ? PIECE : run + 1) : 0;
    longest = Math.max(longest, run);
    if (run > 0) total += run === PIECE ? PIECE : 1;
  }
  return { longest, total };
}
