import type { Effort } from '../effort.ts';

/** 3: a form that only one vendor uses; 2: a form that many share; 1: known by what stands beside it. */
export type Rank = 1 | 2 | 3;

/** A stretch of text that is to be hidden. */
export interface Hit {
  readonly rule: string;
  readonly start: number;
  readonly end: number;
  /** What stands there, decoded: the same secret has the same digest however it was written. */
  readonly secret: string;
  /** Where stretches overlap, the higher one names the whole. */
  readonly rank: Rank;
}

/** Receives a stretch of the text being scanned. */
export type Report = (hit: Omit<Hit, 'secret'>) => void;

/**
 * A kind of secret that is recognisable by its own form. Found by a literal and confirmed by a bounded pattern that is
 * tried only there, so that cost stays linear in the text. A pattern says what a secret must begin with; letters and
 * digits that follow it without a break are hidden too, so upper bounds only limit the work.
 */
export interface TokenRule {
  /** Shown in the placeholder and in metrics. */
  readonly name: string;
  /** Lower-case literals, one of which every such secret holds. */
  readonly anchors: readonly string[];
  /** Sticky; every quantifier bounded. A first group that takes part is context and stays in front of the placeholder. */
  readonly pattern: RegExp;
  /** The pattern starts this many characters before the anchor (default 0), or where the letters and digits before it begin. */
  readonly lead?: number | 'run';
  /** Which character may not stand before the match: a letter or digit (default), also `_`, `-`, `.`, `/`, `+` (strict). */
  readonly boundary?: 'strict' | 'none';
  /** Many vendors share the form, so a rule for one of them knows the name better. */
  readonly isShared?: boolean;
  /** A character that every such secret has at most so far behind its beginning: where it is missing nothing is read. */
  readonly needs?: { readonly char: string; readonly within: number };
  /** A last look at the secret; by default it must not look like `xxxx`. */
  readonly accept?: (secret: string) => boolean;
}

/** A kind of secret that only what stands next to it gives away. */
export interface ContextRule {
  readonly names: readonly string[];
  /** Lower-case literals near which the secret stands. */
  readonly anchors: readonly string[];
  /** Its secrets have a form of their own, so that they are also looked for where a margin broke them. */
  readonly isFormed?: boolean;
  /** Called once for a text in which an anchor occurs; the returned function is called at each, left to right. */
  open(text: string, report: Report, effort: Effort): (anchorStart: number, anchorEnd: number) => void;
}
