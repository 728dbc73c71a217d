import { endOfRun, isOf, RUN, startOfRun } from './chars.ts';

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
