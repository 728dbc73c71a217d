/** So many of something in so long: `600/1m`. */
export interface Rate {
  readonly count: number;
  /** Milliseconds, whole seconds of them. */
  readonly windowMs: number;
}
