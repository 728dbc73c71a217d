/** The characters a signature is written in, in an order in which neighbours differ in the bits that count. */
export const HEX = '0123456789abcdef';
export const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
export const BASE64URL = `${BASE64.slice(0, -2)}-_`;

interface Misspelling {
  readonly name: string;
  readonly text: string;
}

/**
 * Every near miss of a signature: each character changed in turn to another of the same alphabet, each half replaced,
 * cut short at either end, and made longer. Characters outside of the alphabet (padding, separators) stay.
 *
 * In base64 the last character before the padding may hold bits that count for nothing, so it is changed by four places:
 * the bytes differ and the spelling stays canonical, as far as 32 bytes go.
 */
function misspellings(text: string, alphabet: string): Misspelling[] {
  const isLetter = (char: string): boolean => alphabet.includes(char);
  const last = [...text].findLastIndex(isLetter);
  const changed = (from: number, to: number): string =>
    [...text].map((char, at) => (at >= from && at < to ? neighbour(char, at === last) : char)).join('');
  const neighbour = (char: string, isLast: boolean): string =>
    isLetter(char) ? (alphabet[(alphabet.indexOf(char) + (isLast ? 4 : 1)) % alphabet.length] ?? '') : char;
  const half = Math.ceil(text.length / 2);
  const single = [...text].flatMap((char, at) =>
    isLetter(char) ? [{ name: `character ${at + 1} of ${text.length} changed`, text: changed(at, at + 1) }] : [],
  );
  return [
    ...single,
    { name: 'the first half changed', text: changed(0, half) },
    { name: 'the second half changed', text: changed(half, text.length) },
    { name: 'all of it changed', text: changed(0, text.length) },
    { name: 'only the first half', text: text.slice(0, half) },
    { name: 'only the second half', text: text.slice(half) },
    { name: 'the first character missing', text: text.slice(1) },
    { name: 'the last character missing', text: text.slice(0, -1) },
    { name: 'the last four characters missing', text: text.slice(0, -4) },
    { name: 'a character more in front', text: `${alphabet[0]}${text}` },
    { name: 'a character more behind', text: `${text}${alphabet[0]}` },
    { name: 'four characters more behind', text: `${text}${alphabet.slice(0, 4)}` },
    { name: 'written twice', text: `${text}${text}` },
    { name: 'nothing', text: '' },
  ];
}

/** At once, so that a front behind a socket is not waited for one by one. */
const AT_ONCE = 16;

/** Near misses that were not refused. `knock` resolves with true when it was let in. */
export async function letIn(
  proof: string,
  alphabet: string,
  knock: (proof: string) => Promise<boolean>,
): Promise<string[]> {
  const passed: string[] = [];
  const misses = misspellings(proof, alphabet);
  while (misses.length > 0) {
    const tried = misses.splice(0, AT_ONCE);
    const answers = await Promise.all(tried.map(({ text }) => knock(text)));
    passed.push(...tried.filter((_, at) => answers[at]).map(({ name }) => name));
  }
  return passed;
}
