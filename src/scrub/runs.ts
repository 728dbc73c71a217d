/** Characters that encoded data and tokens are made of. */
const MEMBER = new Uint8Array(0x10000);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.-~')
  MEMBER[char.charCodeAt(0)] = 1;

export const isRunChar = (text: string, at: number): boolean => MEMBER[text.charCodeAt(at)] === 1;

/**
 * Calls `onRun` for each run of at least `least` token characters. A run that long covers a multiple of `least`, so
 * only those positions are looked at: in prose that is one character in `least`.
 */
export function eachLongRun(text: string, least: number, onRun: (start: number, end: number) => void): void {
  for (let probe = least - 1; probe < text.length; probe += least) {
    if (MEMBER[text.charCodeAt(probe)] === 0) continue;
    let start = probe;
    while (start > 0 && MEMBER[text.charCodeAt(start - 1)] === 1) start -= 1;
    let end = probe + 1;
    while (end < text.length && MEMBER[text.charCodeAt(end)] === 1) end += 1;
    if (end - start >= least) onRun(start, end);
    // The next run begins after `end`, so its first multiple is at least `end + 1`.
    probe += Math.max(0, Math.floor((end - probe) / least)) * least;
  }
}
