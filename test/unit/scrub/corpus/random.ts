/** Deterministic samples: the same seed gives the same corpus, and no scanner finds a secret in the repository. */
export interface Random {
  /** `length` characters of the alphabet. */
  chars(alphabet: string, length: number): string;
  int(below: number): number;
  pick<T>(list: readonly T[]): T;
}

export const LOWER = 'abcdefghijklmnopqrstuvwxyz';
export const UPPER = LOWER.toUpperCase();
export const DIGITS = '0123456789';
export const HEX = `${DIGITS}abcdef`;
export const ALNUM = LOWER + UPPER + DIGITS;
export const LOWER_ALNUM = LOWER + DIGITS;
export const UPPER_ALNUM = UPPER + DIGITS;
export const URL_SAFE = `${ALNUM}_-`;
export const BASE64 = `${ALNUM}+/`;
/** Without the characters that are easily mixed up (Bitcoin's alphabet). */
export const BASE58 = ALNUM.replace(/[0OIl]/g, '');

/** Mulberry32: small, and good enough to look random to a heuristic. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    int,
    chars: (alphabet, length) => Array.from({ length }, () => alphabet[int(alphabet.length)]).join(''),
    pick: (list) => list[int(list.length)] as (typeof list)[number],
  };
}

export const uuid = (random: Random): string => [8, 4, 4, 4, 12].map((length) => random.chars(HEX, length)).join('-');

export const base64Of = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
export const base64UrlOf = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
