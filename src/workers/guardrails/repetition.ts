import type { Guardrail } from './guardrail.ts';

/** A model in a loop says the same until its tokens are used up. Fewer characters or turns may be a table or a song. */
const MIN_CHARS = 400;
const MIN_TURNS = 10;
/** What is looked at from the end; longer loops are cut to their last part and then by the length check. */
const MAX_CHARS = 100_000;

/** Cuts a reply that ends in a loop to one turn of it. */
export const repetitionCheck: Guardrail = {
  name: 'repetition',
  stages: ['output'],
  check({ text }) {
    const loop = loopAtEnd(text);
    if (loop === null) return { kind: 'pass' };
    return {
      kind: 'change',
      text: `${text.slice(0, text.length - loop.chars + loop.period)}\n\n[cut: the reply repeated itself]`,
    };
  },
};

interface Loop {
  readonly chars: number;
  readonly period: number;
}

/**
 * The longest end of a text that is one piece said over and over. One pass: the prefix function (Knuth, Morris, Pratt) of
 * the reversed text gives the period of each of its ends.
 */
function loopAtEnd(text: string): Loop | null {
  const reversed = text.slice(-MAX_CHARS).trimEnd();
  const at = (index: number): number => reversed.charCodeAt(reversed.length - 1 - index);
  const borders = new Uint32Array(reversed.length);
  const trailing = text.slice(-MAX_CHARS).length - reversed.length;
  let loop: Loop | null = null;
  for (let end = 1; end < reversed.length; end += 1) {
    let border = borders[end - 1] ?? 0;
    while (border > 0 && at(border) !== at(end)) border = borders[border - 1] ?? 0;
    if (at(border) === at(end)) border += 1;
    borders[end] = border;
    const chars = end + 1;
    const period = chars - border;
    if (chars >= MIN_CHARS && chars >= period * MIN_TURNS) loop = { chars: chars + trailing, period };
  }
  return loop;
}
