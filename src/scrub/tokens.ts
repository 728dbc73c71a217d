import { ALNUM, endOfRun, isOf, RUN, STOP, startOfRun } from './chars.ts';
import type { Effort } from './effort.ts';
import { isFiller } from './randomness.ts';
import type { Report, TokenRule } from './rules/rule.ts';

/** How far a rule has come in a text. */
export interface Progress {
  /** Repeated anchors inside one stretch must not each look at it again. */
  lookedTo: number;
  /** End of the run in which the rule failed last, and how often it failed there. */
  runEnd: number;
  failures: number;
  /** Matches that turned out to be no secrets. */
  rejected: number;
  /** Up to where the answer to "is this slash part of a path" holds, and the answer. */
  pathTo: number;
  isPath: boolean;
  /** Where the character that the rule needs stands next, at or after where it was last looked for. */
  neededAt: number;
}

/**
 * Failures in one run of token characters from which on a rule does not look any more but hides: no text that anybody
 * wrote has so many beginnings of a token without a token, and looking at each would cost the square of its length.
 */
const MOST_FAILURES = 8;

/** Longest stretch hidden without a look. */
const LONGEST_UNREAD = 4096;

/** Tries a rule at an anchor. `progress` is null until the rule has something to remember. */
export function tryToken(
  rule: TokenRule,
  text: string,
  anchorStart: number,
  progress: Progress | null,
  report: Report,
  effort: Effort,
): Progress | null {
  const { lead, boundary, pattern } = rule;
  const from = lead === undefined ? anchorStart : lead === 'run' ? runStart(text, anchorStart) : anchorStart - lead;
  if (from < 0 || (progress !== null && from < progress.lookedTo)) return progress;
  if (boundary !== 'none' && isOf(ALNUM, text, from - 1)) return progress;
  if (boundary === 'strict' && from > 1 && isOf(ALNUM, text, from - 2) && GLUE.includes(text[from - 1] as string)) {
    if (text[from - 1] !== '/') return progress;
    const known = progress ?? start();
    if (!isInPath(text, from, known)) return known;
  }
  let known = progress;
  if (rule.needs !== undefined) {
    known = progress ?? start();
    if (isMissing(rule.needs, text, from, known)) return known;
  }
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  if (match === null) return failed(rule, text, from, known ?? start(), report);
  const end = runEnd(text, from + match[0].length);
  const secretStart = from + (match[1]?.length ?? 0);
  const secret = text.slice(secretStart, end);
  const after = known ?? start();
  after.lookedTo = end;
  if (after.rejected > effort.nearMisses || (rule.accept === undefined ? !isFiller(secret) : rule.accept(secret))) {
    report({ rule: rule.name, start: secretStart, end, rank: rule.isShared === true ? 2 : 3 });
  } else after.rejected += 1;
  return after;
}

const start = (): Progress => ({
  lookedTo: 0,
  runEnd: 0,
  failures: 0,
  rejected: 0,
  pathTo: 0,
  isPath: false,
  neededAt: -1,
});

function isMissing({ char, within }: Needs, text: string, from: number, progress: Progress): boolean {
  if (progress.neededAt < from) {
    const at = text.indexOf(char, from);
    progress.neededAt = at === -1 ? text.length + within + 1 : at;
  }
  return progress.neededAt - from > within;
}

type Needs = NonNullable<TokenRule['needs']>;

function failed(rule: TokenRule, text: string, from: number, progress: Progress, report: Report): Progress {
  if (from >= progress.runEnd) {
    progress.runEnd = from + 1;
    while (progress.runEnd - from < LONGEST_UNREAD && isOf(RUN, text, progress.runEnd)) progress.runEnd += 1;
    progress.failures = 0;
  }
  progress.failures += 1;
  if (progress.failures > MOST_FAILURES) {
    report({ rule: rule.name, start: from, end: progress.runEnd, rank: 1 });
    progress.lookedTo = progress.runEnd;
  }
  return progress;
}

/** Signs that join what stands before to the match, where a rule is strict. */
const GLUE = '_-./+';

/** A slash belongs to base64 or to a path; a path begins with one, with a dot or with a scheme. */
const LONGEST_PATH = 120;

function isInPath(text: string, at: number, progress: Progress): boolean {
  if (at < progress.pathTo) return progress.isPath;
  let start = at;
  while (start > 0 && at - start < LONGEST_PATH && !isOf(STOP, text, start - 1)) start -= 1;
  progress.isPath = text[start] === '/' || text[start] === '.' || text.slice(start, at).includes('://');
  progress.pathTo = at + LONGEST_PATH;
  for (let end = at; end < progress.pathTo; end += 1) if (isOf(STOP, text, end)) progress.pathTo = end;
  return progress.isPath;
}

/** Letters and digits a `run` lead goes back at most: the longest id in front of an anchor has 16. */
const LONGEST_LEAD = 32;

function runStart(text: string, at: number): number {
  let start = at;
  while (at - start < LONGEST_LEAD && isOf(ALNUM, text, start - 1)) start -= 1;
  return start;
}

function runEnd(text: string, at: number): number {
  let end = at;
  if (!isOf(ALNUM, text, end - 1)) return end;
  while (isOf(ALNUM, text, end)) end += 1;
  return end;
}

/** Whether the text has a run of at least `least` token characters. */
export function hasLongRun(text: string, least: number): boolean {
  for (let probe = least - 1; probe < text.length; probe += least) {
    if (!isOf(RUN, text, probe)) continue;
    if (endOfRun(RUN, text, probe) - startOfRun(RUN, text, probe) >= least) return true;
  }
  return false;
}

/**
 * Calls `onRun` for each run of at least `least` token characters. A run that long covers a multiple of `least`, so
 * only those positions are looked at: in prose that is one character in `least`.
 */
export function eachLongRun(text: string, least: number, onRun: (start: number, end: number) => void): void {
  for (let probe = least - 1; probe < text.length; probe += least) {
    if (!isOf(RUN, text, probe)) continue;
    const start = startOfRun(RUN, text, probe);
    const end = endOfRun(RUN, text, probe);
    if (end - start >= least) onRun(start, end);
    // The next run begins after `end`, so its first multiple is at least `end + 1`.
    probe += Math.floor((end - probe) / least) * least;
  }
}
