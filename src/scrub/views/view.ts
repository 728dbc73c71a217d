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
  const writer = createWriter();
  const replacements = createReplacements();
  let copied = 0;
  let length = 0;
  for (let at = nextEscape(text, 0); at !== -1; ) {
    const decoded = decodeAt(text, at);
    if (decoded === null) {
      at = nextEscape(text, at + 1);
      continue;
    }
    writer.copy(text, copied, at);
    writer.copy(decoded.text, 0, decoded.text.length);
    length += at - copied;
    copied = at + decoded.length;
    replacements.add(length, length + decoded.text.length, at, copied);
    length += decoded.text.length;
    at = nextEscape(text, copied);
  }
  if (replacements.count() === 0) return null;
  writer.copy(text, copied, text.length);
  return mapped(writer.text(), replacements.table(), replacements.count());
}

/** From here on a stretch is cheaper sliced than copied. */
const SLICED = 24;

/** What was copied and is not yet a string. Shared: a view is written before the next begins. */
const units = new Uint16Array(4096);

/** A mebibyte of nothing but escapes is 700,000 short stretches: joining as many strings takes six times as long. */
function createWriter() {
  const pieces: string[] = [];
  let used = 0;
  const flush = (): void => {
    if (used > 0) pieces.push(Reflect.apply(String.fromCharCode, null, units.subarray(0, used)));
    used = 0;
  };
  return {
    copy(from: string, start: number, end: number): void {
      if (end - start >= SLICED || used + SLICED > units.length) flush();
      if (end - start >= SLICED) pieces.push(from.slice(start, end));
      else for (let at = start; at < end; at += 1, used += 1) units[used] = from.charCodeAt(at);
    },
    text(): string {
      flush();
      return pieces.join('');
    },
  };
}

/** Numbers kept of a replacement: where it begins and ends in the view, and the stretch of the original it stands for. */
const FIELDS = 4;
const VIEW_END = 1;
const FROM = 2;
const TO = 3;

/** One table of numbers instead of an object each: a mebibyte of nothing but escapes has 350,000. */
function createReplacements() {
  let table = new Int32Array(16 * FIELDS);
  let used = 0;
  return {
    add(inView: number, viewEnd: number, from: number, to: number): void {
      if (used === table.length) {
        const grown = new Int32Array(2 * used);
        grown.set(table);
        table = grown;
      }
      table[used] = inView;
      table[used + VIEW_END] = viewEnd;
      table[used + FROM] = from;
      table[used + TO] = to;
      used += FIELDS;
    },
    count: () => used / FIELDS,
    table: () => table,
  };
}

function mapped(text: string, table: Int32Array, count: number): View {
  const field = (i: number, offset: number): number => table[i * FIELDS + offset] as number;
  /** The original stretch of the character at `at`. */
  const charAt = (at: number): readonly [number, number] => {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (field(middle, 0) <= at) low = middle + 1;
      else high = middle;
    }
    // The last replacement that begins at or before the character.
    const i = low - 1;
    if (i === -1) return [at, at + 1];
    if (at < field(i, VIEW_END)) return [field(i, FROM), field(i, TO)];
    const start = field(i, TO) + at - field(i, VIEW_END);
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
