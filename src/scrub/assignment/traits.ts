/** What kinds of characters a value has, as bits: found in one pass, they spare most values most patterns. */
export const DIGIT = 1;
export const LOWER = 2;
export const UPPER = 4;
/** A letter of another script. */
const FOREIGN = 8;
export const UNDERSCORE = 16;
export const BLANK = 32;
/** `.`, `-`, `:`, `/`, `\`: what parts paths, dates and members. */
export const JOINT = 64;
/** What quoting, lists and code are made of. */
const BRACKET = 128;
/** Everything else: what people put into passwords to make them strong. */
export const SIGN = 256;

export const LETTER = LOWER | UPPER | FOREIGN;

const TRAITS = new Uint16Array(0x80).fill(SIGN);
const set = (chars: string, bit: number): void => {
  for (const char of chars) TRAITS[char.charCodeAt(0)] = bit;
};
set('0123456789', DIGIT);
set('abcdefghijklmnopqrstuvwxyz', LOWER);
set('ABCDEFGHIJKLMNOPQRSTUVWXYZ', UPPER);
set('_', UNDERSCORE);
set(' \t\r\n\f\v', BLANK);
set('.-:/\\', JOINT);
set(',;()[]{}<>=&|"\'`', BRACKET);

const FOREIGN_LETTER = /\p{L}/u;

export function traitsOf(text: string): number {
  let traits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    traits |= unit < 0x80 ? (TRAITS[unit] as number) : FOREIGN_LETTER.test(text[at] as string) ? FOREIGN : SIGN;
  }
  return traits;
}

export const has = (traits: number, bits: number): boolean => (traits & bits) !== 0;

/** Whether there is nothing but these. */
export const isOnly = (traits: number, bits: number): boolean => (traits & ~bits) === 0;

/** A digit and an ASCII letter. */
export function isMixed(text: string): boolean {
  let traits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) traits |= TRAITS[unit] as number;
  }
  return has(traits, DIGIT) && has(traits, LETTER);
}
