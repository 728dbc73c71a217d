/** A part of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Tells of positions, asked for in rising order, whether they lie in one of the spans, which are in rising order too. */
export function within(spans: readonly Span[]): (at: number) => boolean {
  let next = 0;
  return (at) => {
    while ((spans[next]?.end ?? Number.POSITIVE_INFINITY) <= at) next += 1;
    return (spans[next]?.start ?? Number.POSITIVE_INFINITY) <= at;
  };
}
