import { cutAt, longestFit } from './cut.ts';
import { closeFence, openFenceOf, reopenFence } from './fences.ts';
import { readMarkdown } from './read.ts';
import { type Block, longestTicks } from './tree.ts';

export interface SplitLimits {
  /** What one message may hold, in the unit of `sizeOf`. */
  readonly size: number;
  readonly messages: number;
  /** How large a piece of Markdown is in the channel's form. At least half its UTF-16 code units. */
  readonly sizeOf: (markdown: string) => number;
}

/** Stands where the rest was left out. */
const CUT_NOTE = '[cut: the reply was too long]';

/** Line breaks between the note and what it follows. */
const NOTE_GAP = '\n\n';

/**
 * Cuts Markdown into messages, each Markdown of its own: between blocks where it can be, else between lines, sentences or
 * words; code goes on in a block of its own, a table under its heading. The same text is cut the same way every time.
 */
export function splitMarkdown(markdown: string, limits: SplitLimits): readonly string[] {
  const most = 2 * limits.size * limits.messages;
  if (markdown.length <= most && limits.sizeOf(markdown) <= limits.size) return [markdown];
  const room = { ...limits, size: limits.size - limits.sizeOf(CUT_NOTE) - NOTE_GAP.length };
  const messages = pack(
    readMarkdown(markdown.slice(0, cutAt(markdown, most))).flatMap((block) => piecesOf(block, room)),
    room,
  );
  const kept = messages.slice(0, limits.messages);
  if (messages.length === kept.length && markdown.length <= most) return kept;
  return [...kept.slice(0, -1), `${kept.at(-1) ?? ''}${NOTE_GAP}${CUT_NOTE}`];
}

/** Markdown of at most so many UTF-16 code units, for where there is one message. */
export function cutMarkdown(markdown: string, maxChars: number): string {
  if (markdown.length <= maxChars) return markdown;
  return `${markdown.slice(0, cutAt(markdown, maxChars - CUT_NOTE.length - NOTE_GAP.length))}${NOTE_GAP}${CUT_NOTE}`;
}

interface Piece {
  readonly markdown: string;
  readonly gap: number;
}

function pack(pieces: readonly Piece[], { size, sizeOf }: SplitLimits): string[] {
  const messages: string[] = [];
  let used = 0;
  for (const { markdown, gap } of pieces) {
    const own = sizeOf(markdown);
    const last = messages.length - 1;
    if (last >= 0 && used + gap + own <= size) {
      messages[last] += '\n'.repeat(gap) + markdown;
      used += gap + own;
    } else {
      messages.push(markdown);
      used = own;
    }
  }
  return messages;
}

function piecesOf(block: Block, limits: SplitLimits): Piece[] {
  const { raw, gap } = block;
  if (limits.sizeOf(raw) <= limits.size) return [{ markdown: raw, gap }];
  return cutUp(block, limits).map((markdown, at) => ({ markdown, gap: at === 0 ? gap : 1 }));
}

function cutUp(block: Block, limits: SplitLimits): string[] {
  if (block.kind === 'code') {
    const fence = '`'.repeat(Math.max(3, longestTicks(block.text) + 1));
    const wrap = (lines: string): string => `${fence}${block.language}\n${lines}\n${fence}`;
    return cut(block.text, { ...limits, wrap, between: BETWEEN_CODE });
  }
  if (block.kind === 'table') {
    const [head = '', rule = '', ...rows] = block.raw.split('\n');
    return cut(rows.join('\n'), { ...limits, wrap: (lines) => `${head}\n${rule}\n${lines}`, between: /^\s+/ });
  }
  // Lists and quotes may hold code.
  return cut(block.raw, { ...limits, wrap: closeFence, between: /^\s+/ });
}

/** Blanks at the start of a line of code say something. */
const BETWEEN_CODE = /^[^\S\n]*\n+/;

interface Cutting extends SplitLimits {
  readonly wrap: (part: string) => string;
  /** What is left out between two pieces. */
  readonly between: RegExp;
}

function cut(text: string, { size, sizeOf, wrap, between }: Cutting): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.trim() !== '') {
    const end = longestFit(rest, size, (part) => sizeOf(wrap(part)));
    const piece = rest.slice(0, end).trimEnd();
    if (piece !== '') pieces.push(wrap(piece));
    const open = wrap === closeFence ? openFenceOf(piece) : undefined;
    const left = rest.slice(end).replace(open === undefined ? between : BETWEEN_CODE, '');
    const goesOn = open === undefined ? left : reopenFence(open, left);
    // A fence as long as a message would be opened for ever.
    rest = goesOn.length < rest.length ? goesOn : left;
  }
  return pieces;
}
