/** Sizes are limited before text of others is scrubbed, stored or logged; what was cut says so where it was cut. */

/** Characters looked back over for a place to cut at. */
const LOOK_BACK = 4096;

/** What tokens are made of: visible ASCII. */
const isVisible = (unit: number): boolean => unit > 0x20 && unit < 0x7f;

/**
 * The longest beginning of a text that has at most so many characters and does not end inside a run of visible ASCII. A
 * cut through a token would leave a part of it that is recognised as nothing.
 */
export function cutBetweenWords(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const least = Math.max(0, maxChars - LOOK_BACK);
  let end = maxChars;
  while (end > least && isVisible(text.charCodeAt(end - 1)) && isVisible(text.charCodeAt(end))) end -= 1;
  // Never between the halves of a character.
  return text.slice(0, end).replace(/[\ud800-\udbff]$/, '');
}

/** The text, or its beginning with a note of how long it was. */
export const capText = (text: string, maxChars: number): string =>
  text.length <= maxChars
    ? text
    : `${cutBetweenWords(text, maxChars)}\n[cut: the whole text has ${text.length} characters]`;

export interface RecordLimits {
  /** Characters of one string. */
  readonly textChars: number;
  /** Characters of all strings and keys; every other value counts as one. */
  readonly recordChars: number;
}

/** Stands for what a record had besides, and names the object's member that says so. */
export const CUT = '[cut]';

/** Containers inside one another that are kept; no vendor's payload has a third of it. */
const DEEPEST = 100;

/**
 * A JSON tree of limited size: the very same when it fits. Else long strings are cut, and from where the record is too
 * large on, `[cut]` stands for the rest of each list and object.
 */
export function capRecord<T>(value: T, limits: RecordLimits): T {
  return fits(value, limits, { left: limits.recordChars }, 0)
    ? value
    : (capped(value, limits, limits.recordChars) as T);
}

interface Left {
  left: number;
}

function fits(value: unknown, limits: RecordLimits, budget: Left, depth: number): boolean {
  if (typeof value === 'string') {
    budget.left -= value.length;
    return value.length <= limits.textChars && budget.left >= 0;
  }
  budget.left -= 1;
  if (typeof value !== 'object' || value === null) return budget.left >= 0;
  if (depth >= DEEPEST) return false;
  if (Array.isArray(value)) return budget.left >= 0 && value.every((item) => fits(item, limits, budget, depth + 1));
  return Object.entries(value).every(([key, entry]) => {
    budget.left -= key.length;
    return fits(entry, limits, budget, depth + 1);
  });
}

function capped(root: unknown, { textChars }: RecordLimits, recordChars: number): unknown {
  const budget: Left = { left: recordChars };
  const visit = (value: unknown, depth: number): unknown => {
    if (budget.left <= 0 || (typeof value === 'object' && value !== null && depth >= DEEPEST)) return CUT;
    if (typeof value === 'string') {
      const kept = capText(value, Math.min(textChars, budget.left));
      budget.left -= kept.length;
      return kept;
    }
    budget.left -= 1;
    if (typeof value !== 'object' || value === null) return value;
    return Array.isArray(value) ? visitList(value, depth) : visitObject(value, depth);
  };
  const visitList = (list: readonly unknown[], depth: number): unknown[] => {
    const kept: unknown[] = [];
    for (const item of list) {
      if (budget.left <= 0) return [...kept, CUT];
      kept.push(visit(item, depth + 1));
    }
    return kept;
  };
  const visitObject = (object: object, depth: number): object => {
    const kept: [string, unknown][] = [];
    for (const [key, entry] of Object.entries(object)) {
      budget.left -= key.length;
      if (budget.left <= 0) return Object.fromEntries([...kept, [CUT, true]]);
      kept.push([key, visit(entry, depth + 1)]);
    }
    return Object.fromEntries(kept);
  };
  return visit(root, 0);
}

/** The text without the characters it ends in that are among these. Not a pattern: `x+$` takes the square of its input. */
export function trimEndOf(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}
