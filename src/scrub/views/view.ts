/**
 * The same text as a reader, a browser or a mail program would see it, with the way back: secrets are searched for in
 * the view and hidden in the original.
 */
export interface View {
  readonly text: string;
  /** Where in the original the view's stretch `start`..`end` stands. */
  toOriginal(start: number, end: number): readonly [number, number];
  /** Whether any character of the stretch stands for more or fewer than itself. */
  isAltered(start: number, end: number): boolean;
}

/** What an escape stands for, and how many characters it takes. */
export interface Decoded {
  readonly text: string;
  readonly length: number;
}

/** Where the next escape may begin, at or after a position; -1 when nowhere. */
export type NextEscape = (text: string, from: number) => number;

/** Looks at the position of a possible escape; null when it is none. */
export type DecodeAt = (text: string, at: number) => Decoded | null;

/** Null when nothing was decoded. */
export function decodeView(text: string, nextEscape: NextEscape, decodeAt: DecodeAt): View | null {
  const pieces: string[] = [];
  const map: Replacements = { inView: [], viewEnds: [], from: [], to: [] };
  let copied = 0;
  let length = 0;
  for (let at = nextEscape(text, 0); at !== -1; ) {
    const decoded = decodeAt(text, at);
    if (decoded === null) {
      at = nextEscape(text, at + 1);
      continue;
    }
    pieces.push(text.slice(copied, at), decoded.text);
    map.inView.push(length + at - copied);
    length += at - copied + decoded.text.length;
    map.viewEnds.push(length);
    map.from.push(at);
    copied = at + decoded.length;
    map.to.push(copied);
    at = nextEscape(text, copied);
  }
  if (pieces.length === 0) return null;
  pieces.push(text.slice(copied));
  return mapped(pieces.join(''), map);
}

/** Parallel lists: where each replacement stands in the view and what it stands for in the original. */
interface Replacements {
  readonly inView: number[];
  readonly viewEnds: number[];
  readonly from: number[];
  readonly to: number[];
}

function mapped(text: string, { inView, viewEnds, from, to }: Replacements): View {
  /** The original stretch of the character at `at`. */
  const charAt = (at: number): readonly [number, number] => {
    let low = 0;
    let high = inView.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((inView[middle] as number) <= at) low = middle + 1;
      else high = middle;
    }
    // The last replacement that begins at or before the character.
    const i = low - 1;
    if (i === -1) return [at, at + 1];
    if (at < (viewEnds[i] as number)) return [from[i] as number, to[i] as number];
    const start = (to[i] as number) + at - (viewEnds[i] as number);
    return [start, start + 1];
  };
  const toOriginal = (start: number, end: number): readonly [number, number] => [charAt(start)[0], charAt(end - 1)[1]];
  return {
    text,
    toOriginal,
    isAltered(start, end) {
      const [first, last] = toOriginal(start, end);
      return last - first !== end - start;
    },
  };
}

/** A view of a part of a text that begins at `by`, as a view of the whole. */
export const shifted = (view: View, by: number): View => ({
  text: view.text,
  toOriginal(start, end) {
    const [from, to] = view.toOriginal(start, end);
    return [from + by, to + by];
  },
  isAltered: view.isAltered,
});

/** The way back through two views. */
export const throughBoth = (outer: View, inner: View): View => ({
  text: inner.text,
  toOriginal: (start, end) => outer.toOriginal(...inner.toOriginal(start, end)),
  isAltered: (start, end) => inner.isAltered(start, end) || outer.isAltered(...inner.toOriginal(start, end)),
});

/** The character of a code point; nothing beyond Unicode. */
export const charOf = (point: number): string => (point > 0x10ffff ? '' : String.fromCodePoint(point));
