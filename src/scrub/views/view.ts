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

/** Takes one character of the view, as a UTF-16 code unit. */
export type Emit = (unit: number) => void;

/**
 * Looks at the position of a possible escape: emits what it stands for and returns how many characters it took; 0 when
 * it is none.
 */
export type DecodeAt = (text: string, at: number, emit: Emit) => number;

/** Null when nothing was decoded. One character of the original never becomes more than one of the view. */
export function decodeView(text: string, isTrigger: (unit: number) => boolean, decodeAt: DecodeAt): View | null {
  const units = new Uint16Array(text.length);
  const from = new Int32Array(text.length);
  const to = new Int32Array(text.length);
  let length = 0;
  let isDecoded = false;
  const emit: Emit = (unit) => {
    units[length] = unit;
    length += 1;
  };
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    const first = length;
    let taken = isTrigger(unit) ? decodeAt(text, at, emit) : 0;
    if (taken === 0) {
      emit(unit);
      taken = 1;
    } else isDecoded = true;
    for (let i = first; i < length; i += 1) {
      from[i] = at;
      to[i] = at + taken;
    }
    at += taken;
  }
  if (!isDecoded) return null;
  return {
    text: new TextDecoder('utf-16le').decode(units.subarray(0, length)),
    toOriginal: (start, end) => [from[start] as number, to[end - 1] as number],
    isAltered: (start, end) => (to[end - 1] as number) - (from[start] as number) !== end - start,
  };
}

/** The way back through two views. */
export const throughBoth = (outer: View, inner: View): View => ({
  text: inner.text,
  toOriginal: (start, end) => outer.toOriginal(...inner.toOriginal(start, end)),
  isAltered: (start, end) => inner.isAltered(start, end) || outer.isAltered(...inner.toOriginal(start, end)),
});
