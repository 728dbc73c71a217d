import type { ShapeRule } from './shapes.ts';

/** Off unless asked for: what a shop's bot has to hide, an accountant's has to read. */
export const financialRules: readonly ShapeRule[] = [
  // ISO/IEC 7812: 12 to 19 digits of which the last is a checksum; issuers' numbers begin with 2 to 6. People write
  // them in groups.
  {
    name: 'card-number',
    pattern: /(?<![A-Za-z0-9.,#+-])[2-6]\d{3}(?:[ -]?\d{3,6}){2,4}(?![A-Za-z0-9])/g,
    accept: isCardNumber,
  },
  // ISO 13616: country, two check digits, up to 30 letters and digits, often in groups of four.
  {
    name: 'iban',
    pattern: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])/g,
    accept: isIban,
  },
];

/** Luhn's checksum (ISO/IEC 7812-1, annex B). */
function isCardNumber(text: string): boolean {
  const digits = text.replace(/[ -]/g, '');
  if (digits.length < 13 || digits.length > 19 || new Set(digits).size < 2) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const weighted = i % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

/** ISO 7064, MOD 97-10: the first four characters moved to the end, letters as numbers from 10. */
function isIban(text: string): boolean {
  const compact = text.replaceAll(' ', '');
  if (compact.length < 15 || compact.length > 34) return false;
  let remainder = 0;
  for (const char of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
