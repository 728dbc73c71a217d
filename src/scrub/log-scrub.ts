import { capRecord, capText, type RecordLimits } from '../core/text/cap.ts';
import { kindOfName } from './assignment/names.ts';
import type { Scrub } from './scrub.ts';

/**
 * What could start a new line, move the cursor or reorder what a reader sees: C0 and C1 controls (ECMA-48), DEL, the
 * Unicode line and paragraph separators, and the bidirectional controls (UAX #9), with which a log line can be made to
 * read as another.
 */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * The last pass over one serialised log line: secrets replaced, one event on one line. A line that is valid JSON stays
 * valid JSON, because an escape is only ever written where a string literal had the raw character.
 */
export function createLogScrubber(scrub: Scrub): (line: string) => string {
  return (line) => {
    const isEnded = line.endsWith('\n');
    const { value } = scrub(capped(isEnded ? line.slice(0, -1) : line));
    const safe = value.replace(UNSAFE, escaped);
    return isEnded ? `${safe}\n` : safe;
  };
}

/** Of one line: a stack of errors with their causes has some thousands. */
const LIMITS: RecordLimits = { textChars: 16 * 1024, recordChars: 64 * 1024 };

/** What an error quotes may be as large as what caused it. A line of JSON is cut inside its strings. */
function capped(line: string): string {
  if (line.length <= LIMITS.recordChars) return line;
  try {
    return JSON.stringify(capRecord(JSON.parse(line), LIMITS));
  } catch {
    return capText(line, LIMITS.recordChars);
  }
}

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Our own ids: of events, and of requests. */
const OWN_ID = /^(?:ev_[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{12}-[0-9a-z]{1,11})$/;

/** Words remembered of a field, and their longest: outcomes, channels, tenants are few and short. */
const MOST_WORDS = 256;
const LONGEST_WORD = 64;
const MOST_FIELDS = 256;

/** True when the fields of a line certainly hold nothing to hide and no character to escape. */
export type Vouch = (fields: Readonly<Record<string, unknown>>, name: string) => boolean;

/**
 * Vouches for lines of numbers, of our own ids, and of words that were scrubbed before under the same field and came back
 * unchanged. Nearly every line is such, and the pass over it would take as long as verifying the delivery it tells of.
 */
export function createVouch(scrub: Scrub): Vouch {
  const known = new Map<string, Set<string>>();
  const isClean = (value: unknown, text: string): boolean =>
    scrub(value).findings.length === 0 && text.search(UNSAFE) === -1;

  /** The words of a field; null for one that may not be vouched for. */
  const wordsOf = (field: string): Set<string> | null => {
    const words = known.get(field);
    if (words !== undefined) return words;
    if (known.size >= MOST_FIELDS || kindOfName(field) !== null || !isClean(field, field)) return null;
    const none = new Set<string>();
    known.set(field, none);
    return none;
  };
  const knows = (words: Set<string>, field: string, word: string): boolean => {
    if (words.has(word) || OWN_ID.test(word)) return true;
    if (words.size >= MOST_WORDS || word.length > LONGEST_WORD || !isClean({ [field]: word }, word)) return false;
    words.add(word);
    return true;
  };
  const isHarmless = (field: string, value: unknown): boolean => {
    const words = wordsOf(field);
    if (words === null) return false;
    return typeof value === 'string' ? knows(words, field, value) : typeof value !== 'object' || value === null;
  };
  return (fields, name) => {
    for (const field of Object.keys(fields)) {
      const value = fields[field];
      // What is undefined is not in the line.
      if (value !== undefined && !isHarmless(field, value)) return false;
    }
    return isHarmless('msg', name);
  };
}
