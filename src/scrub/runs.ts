import { isOf, RUN } from './chars.ts';

/**
 * Calls `onRun` for each run of at least `least` token characters. A run that long covers a multiple of `least`, so
 * only those positions are looked at: in prose that is one character in `least`.
 */
export function eachLongRun(text: string, least: number, onRun: (start: number, end: number) => void): void {
  for (let probe = least - 1; probe < text.length; probe += least) {
    if (!isOf(RUN, text, probe)) continue;
    let start = probe;
    while (start > 0 && isOf(RUN, text, start - 1)) start -= 1;
    let end = probe + 1;
    while (end < text.length && isOf(RUN, text, end)) end += 1;
    if (end - start >= least) onRun(start, end);
    // The next run begins after `end`, so its first multiple is at least `end + 1`.
    probe += Math.floor((end - probe) / least) * least;
  }
}
