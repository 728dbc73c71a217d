import type { Scrub } from './scrub.ts';

/**
 * What could start a new line, move the cursor or reorder what a reader sees: C0 and C1 controls (ECMA-48), DEL, the
 * Unicode line and paragraph separators, and the bidirectional controls (UAX #9), with which a log line can be made to
 * read as another.
 */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * The last pass over one serialised log line: secrets replaced, one event on one line. A line that is valid JSON stays
 * valid JSON, because an escape is only ever written where a string literal had the raw character.
 * @param isPlainLine Whether `scrub` would certainly leave the line alone; most lines are known at a glance.
 */
export function createLogScrubber(scrub: Scrub, isPlainLine: (line: string) => boolean): (line: string) => string {
  return (line) => {
    const isEnded = line.endsWith('\n');
    const content = isEnded ? line.slice(0, -1) : line;
    const value = isPlainLine(content) ? content : scrub(content).value;
    const safe = value.replace(UNSAFE, escaped);
    return isEnded ? `${safe}\n` : safe;
  };
}

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
