import type { Guardrail } from '../guardrail.ts';
import { essence, readings } from './essence.ts';
import { overlap, type Pieces, piecesOf } from './overlap.ts';

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
