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

export interface ScrubOptions {
  /**
   * Whole strings that say where a record belongs (a channel, an author). They are judged like all others, but stay where
   * they only repeat a value that was found elsewhere in the record: whoever writes a message could otherwise take the
   * ids out of its envelope.
   */
  readonly identifiers?: readonly string[];
}

/**
 * Strings and JSON trees of any depth; keys as well as values. What is given at once is one record: a value found in one
 * of its strings is hidden in all of them.
 */
export type Scrub = <T>(value: T, options?: ScrubOptions) => Scrubbed<T>;
