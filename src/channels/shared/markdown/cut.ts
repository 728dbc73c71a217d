/** Where a text may end that must not go on beyond `max`: not inside a character, nor inside an entity. */
export function cutAt(text: string, max: number): number {
  if (text.length <= max) return text.length;
  const head = text.slice(0, max);
  const inside = /[\ud800-\udbff]$|&#?\w{0,10}$/.exec(head);
  const isEntity = inside?.[0].startsWith('&') && /^&#?\w{1,20};/.test(text.slice(inside.index, inside.index + 24));
  return inside === null || (inside[0].startsWith('&') && !isEntity) ? max : inside.index;
}

/** Share of a piece that must be left when it ends where a reader would end it. */
const LEAST = 0.5;

/**
 * How much of a text to take so that it has at most `size`: as much as possible, but up to the end of a line, a sentence or
 * a word when one is near. At least one character.
 */
export function longestFit(text: string, size: number, sizeOf: (part: string) => number): number {
  let fits = 0;
  // A character takes at least one unit in every form but what is markup, of which there is little.
  let tooLong = Math.min(text.length, size) + 1;
  if (sizeOf(text.slice(0, tooLong - 1)) <= size) fits = tooLong - 1;
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    if (sizeOf(text.slice(0, middle)) <= size) fits = middle;
    else tooLong = middle;
  }
  if (fits === text.length) return fits;
  const natural = naturalEnd(text.slice(0, fits + 1));
  if (natural > fits * LEAST) return natural;
  const end = cutAt(text, fits);
  return end > 0 ? end : String.fromCodePoint(text.codePointAt(0) ?? 0).length;
}

/** After the last line, else sentence, else word of a text. 0 when there is none. */
function naturalEnd(text: string): number {
  const least = text.length * LEAST;
  const line = text.lastIndexOf('\n');
  if (line > least) return line;
  const sentence = Math.max(...['. ', '! ', '? ', '。'].map((end) => text.lastIndexOf(end)));
  if (sentence > least) return sentence + 1;
  return text.lastIndexOf(' ');
}
