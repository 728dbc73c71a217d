import type { Guardrail } from './guardrail.ts';

/** Half of short instructions is most of what they say. */
const SHARE = 0.5;
/** Instructions of fewer letters say nothing that would be a secret. */
const MIN_CHARS = 16;
/** Agents there are; instructions seldom change. */
const MAX_KEPT = 64;

/** The name of the frame around content from outside, known to nobody but the model: it stands in the system message. */
const FRAME = /data[0-9a-f]{32}/;

/**
 * Blocks replies and calls of tools that repeat the instructions: `maxChars` letters and digits in a row, or half of all of
 * them, in whatever case, spacing and punctuation, backwards, in rot13, base64 or hex; and those that name the frame of
 * the system message. A translation or a retelling is not recognised.
 */
export function createPromptLeakCheck(maxChars: number): Guardrail {
  const kept = new Map<string, Pieces>();
  const piecesFor = (instructions: string): Pieces => {
    const known = kept.get(instructions) ?? piecesOf(essence(instructions));
    kept.delete(instructions);
    kept.set(instructions, known);
    const [oldest] = kept.keys();
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    return known;
  };
  return {
    name: 'prompt-leak',
    stages: ['output', 'tool-call'],
    check({ text, instructions = '' }) {
      const secret = piecesFor(instructions);
      const enough = Math.min(maxChars, Math.max(MIN_CHARS, Math.ceil(secret.text.length * SHARE)));
      const isLeak = readings(text).some((reading) => {
        if (FRAME.test(reading)) return true;
        if (secret.text.length < MIN_CHARS) return false;
        const { longest, total } = overlap(reading, secret);
        return longest >= enough || total >= Math.max(enough, secret.text.length * SHARE);
      });
      return isLeak ? { kind: 'block', reason: 'prompt-leak' } : { kind: 'pass' };
    },
  };
}

/**
 * Letters and digits only, in lower case and without accents, width or anything in between: what is left of a text however
 * it is spaced, quoted, numbered or decorated.
 */
const essence = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');

/** Runs that may be text in base64 or hex; shorter ones hold too little. */
const ENCODED = /[A-Za-z0-9+/_-]{24,}/g;
const HEX = /^(?:[0-9a-f]{2})+$/i;

/** Everything a reader could make of a text with little effort: as it is, backwards, rot13, decoded. */
function readings(text: string): string[] {
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

/** Characters compared at a time. Shorter pieces are everyday language. */
const PIECE = 24;

/** All pieces of a text, to be looked up. */
interface Pieces {
  readonly text: string;
  has(piece: string): boolean;
}

function piecesOf(text: string): Pieces {
  const pieces = new Set<string>();
  for (let at = 0; at + PIECE <= text.length; at += 1) pieces.add(text.slice(at, at + PIECE));
  return { text, has: (piece) => pieces.has(piece) };
}

interface Overlap {
  /** Characters of the longest part that stands in both. */
  readonly longest: number;
  /** Characters of `text` that are part of one. */
  readonly total: number;
}

/** What of `text` stands in the other text too. */
function overlap(text: string, other: Pieces): Overlap {
  if (other.text.length < PIECE) {
    const isThere = other.text !== '' && text.includes(other.text);
    return { longest: isThere ? other.text.length : 0, total: isThere ? other.text.length : 0 };
  }
  let longest = 0;
  let total = 0;
  let run = 0;
  for (let at = 0; at + PIECE <= text.length; at += 1) {
    run = other.has(text.slice(at, at + PIECE)) ? (run === 0 ? PIECE : run + 1) : 0;
    longest = Math.max(longest, run);
    if (run > 0) total += run === PIECE ? PIECE : 1;
  }
  return { longest, total };
}
