/** The entities people and models do write. Others stay what they look like. */
const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
};

/** Entities as what they stand for. */
export const decodeEntities = (text: string): string =>
  text.includes('&')
    ? text.replaceAll(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g, (raw, decimal, hex, name) =>
        name === undefined
          ? (characterOf(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)) ?? raw)
          : (named[name] ?? raw),
      )
    : text;

function characterOf(code: number): string | undefined {
  const isCharacter = code >= 0x20 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) && code !== 0x7f;
  return isCharacter ? String.fromCodePoint(code) : undefined;
}
