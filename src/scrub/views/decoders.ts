import { backslashEscapes } from './backslashes.ts';
import { percentEncoding, quotedPrintable } from './bytes.ts';
import type { Decoder } from './decoder.ts';
import { disguises } from './disguises.ts';
import { html } from './html.ts';
import { throughBoth, type View } from './view.ts';
import { joinedLines, LINE_END } from './wraps.ts';

/** Outermost notation first, as mail and chat nest them. */
const NOTATIONS: readonly Decoder[] = [quotedPrintable, backslashEscapes, html, percentEncoding, disguises];

/** Text that was encoded more often than this is not read any more by what would use it. */
const NESTED = 2;

const bitOf = new Map<Decoder, number>(NOTATIONS.map((decoder, i) => [decoder, 1 << i]));
const LINE_END_BIT = 1 << NOTATIONS.length;

/** The characters to notice in passing, each with the bits of the notations it may belong to. */
export const decoderMarks: ReadonlyMap<string, number> = (() => {
  const marks = new Map<string, number>();
  marks.set(LINE_END, LINE_END_BIT);
  for (const [{ mark }, bit] of bitOf) for (const char of mark) marks.set(char, (marks.get(char) ?? 0) | bit);
  return marks;
})();

/** A view and whether only secrets with a form of their own count in it. */
export interface Reading {
  readonly view: View;
  readonly isJoined: boolean;
}

/** The ways to read a text other than as it stands: each notation alone, all of them, and all with lines joined. */
export function readingsOf(text: string, marks: number): Reading[] {
  const readings: Reading[] = [];
  let first: { readonly decoder: Decoder; readonly view: View } | null = null;
  for (const decoder of NOTATIONS) {
    const view = applyTo(text, decoder, marks);
    if (view === null) continue;
    first ??= { decoder, view };
    readings.push({ view, isJoined: false });
  }
  const all = first === null ? null : decodeAll(first.decoder, first.view);
  if (all !== null && readings.every(({ view }) => view.text !== all.text))
    readings.push({ view: all, isJoined: false });
  const plain = all?.text ?? text;
  if ((marks & LINE_END_BIT) === 0) return readings;
  for (const joined of joinedLines(plain)) {
    readings.push({ view: all === null ? joined : throughBoth(all, joined), isJoined: true });
  }
  return readings;
}

function applyTo(text: string, decoder: Decoder, marks: number): View | null {
  const isMarked = (marks & (bitOf.get(decoder) as number)) !== 0;
  return isMarked && decoder.occurs(text) ? decoder.decode(text) : null;
}

/** `first`: the text as read in its outermost notation. */
function decodeAll(outermost: Decoder, first: View): View {
  let view = first;
  for (let round = 0; round < NESTED; round += 1) {
    for (const decoder of round === 0 ? NOTATIONS.slice(NOTATIONS.indexOf(outermost) + 1) : NOTATIONS) {
      const next = decoder.occurs(view.text) ? decoder.decode(view.text) : null;
      if (next !== null) view = throughBoth(view, next);
    }
  }
  return view;
}
