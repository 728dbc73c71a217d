/** Tokens of a call. Cache figures are parts of `input`. */
export interface TokenUse {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
}

/** What a model costs, in micro-dollars, rounded up. */
export interface Price {
  /** Null when the figures make no sense (more cached than there was): then the worst case stands. */
  cost(use: TokenUse): number | null;
  /** The most that a call of up to so many tokens may cost. */
  worst(input: number, output: number): number;
}

/** Up to a whole micro-dollar; what only binary fractions added (3 × 0.1) does not count as one more. */
export const roundUp = (micros: number): number => Math.ceil(Number(micros.toFixed(6)));
