import { positionBefore, type Splice } from './json-text.ts';
import { createCleaner, type ScrubberDeps } from './scrubber.ts';

/** What was hidden on one line of the text as it was given; never the secret itself. */
export interface LineFinding {
  readonly rule: string;
  /** Counted from 1; a secret of several lines is found on its first. */
  readonly line: number;
  readonly count: number;
}

export interface ScrubReport {
  /** The cleaned text; the very same string when nothing was found. */
  readonly text: string;
  /** In the order of the lines. */
  readonly findings: readonly LineFinding[];
}

/** For people and pipes: cleans a whole text and says where something was. */
export function createScrubReporter(deps: ScrubberDeps): (text: string) => ScrubReport {
  const clean = createCleaner(deps);
  return (text) => {
    const rounds: (readonly Splice[])[] = [];
    const cleaned = clean(text, (splices) => rounds.push(splices));
    return { text: cleaned, findings: findingsOf(text, rounds) };
  };
}

function findingsOf(text: string, rounds: readonly (readonly Splice[])[]): LineFinding[] {
  const found = new Map<string, LineFinding>();
  const lineOf = createLineCounter(text);
  rounds.forEach((splices, round) => {
    for (const splice of splices) {
      const line = lineOf(originalPosition(rounds, round, splice.start));
      for (const [rule, times] of splice.counts) {
        const count = times + (found.get(`${line} ${rule}`)?.count ?? 0);
        found.set(`${line} ${rule}`, { rule, line, count });
      }
    }
  });
  return [...found.values()].sort((a, b) => a.line - b.line);
}

function originalPosition(rounds: readonly (readonly Splice[])[], round: number, position: number): number {
  let original = position;
  for (let earlier = round - 1; earlier >= 0; earlier -= 1) {
    original = positionBefore(rounds[earlier] as readonly Splice[], original);
  }
  return original;
}

/** Positions mostly come in order, so counting goes on from the last; a smaller one starts anew. */
function createLineCounter(text: string): (position: number) => number {
  let line = 1;
  let countedTo = 0;
  return (position) => {
    if (position < countedTo) {
      line = 1;
      countedTo = 0;
    }
    for (let at = text.indexOf('\n', countedTo); at !== -1 && at < position; at = text.indexOf('\n', countedTo)) {
      line += 1;
      countedTo = at + 1;
    }
    return line;
  };
}
