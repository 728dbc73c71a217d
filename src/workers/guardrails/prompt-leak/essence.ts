/**
 * Letters and digits only, in lower case and without accents, width or anything in between: what is left of a text however
 * it is spaced, quoted, numbered or decorated.
 */
export const essence = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');

/** Runs that may be text in base64 or hex; shorter ones hold too little. */
const ENCODED = /[A-Za-z0-9+/_-]{24,}/g;
const HEX = /^(?:[0-9a-f]{2})+$/i;

/** Everything a reader could make of a text with little effort: as it is, backwards, rot13, decoded. */
export function readings(text: string): string[] {
  const plain = essence(text);
  const decoded = [...joined(text).matchAll(ENCODED)].map(([run]) => essence(decode(run)));
  const all = [plain, ...decoded.filter((one) => one !== '')];
  return all.flatMap((one) => [one, [...one].reverse().join(''), rot13(one)]);
}

/** Encoded text is often wrapped. */
const joined = (text: string): string => text.replace(/(?<=[A-Za-z0-9+/_-]{20})\r?\n(?=[A-Za-z0-9+/_-])/g, '');

const decode = (run: string): string =>
  Buffer.from(run, HEX.test(run) ? 'hex' : 'base64url')
    .toString('utf8')
    .replaceAll('\ufffd', '');

const rot13 = (text: string): string =>
  text.replace(/[a-z]/g, (letter) => String.fromCharCode(((letter.charCodeAt(0) - 97 + 13) % 26) + 97));
