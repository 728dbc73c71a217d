/** The scrubber as everybody else sees it: a port, so that rooms depend on the words and not on the rules. */

/** What was found, never the secret itself. */
export interface Finding {
  /** The rule's name, e.g. `github-token`; bounded, so it may label a metric. */
  readonly rule: string;
  /** Where: a path like `event.blocks[0].text`, or '' for a bare string. Keys that held a secret appear scrubbed. */
  readonly path: string;
  readonly count: number;
}

export interface Scrubbed<T> {
  /** The cleaned value; the very same reference when nothing was found. */
  readonly value: T;
  readonly findings: readonly Finding[];
}

/** Strings and JSON trees of any depth; keys as well as values. */
export type Scrub = <T>(value: T) => Scrubbed<T>;
