/** One replacement in a text. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Rules, and how often each hid something here. */
  readonly counts: ReadonlyMap<string, number>;
}

/** `splices` are in order and do not overlap. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  // Joined from pieces: a text grown by additions is slower to read for ever after.
  const pieces: string[] = [];
  let from = 0;
  for (const splice of splices) {
    pieces.push(text.slice(from, splice.start), splice.text);
    from = splice.end;
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

/** Where a position of the changed text was before; one inside a replacement was where that began. */
export function positionBefore(splices: readonly Splice[], after: number): number {
  let shift = 0;
  for (const { start, end, text } of splices) {
    if (start + shift > after) break;
    if (start + shift + text.length > after) return start;
    shift += text.length - (end - start);
  }
  return after - shift;
}
