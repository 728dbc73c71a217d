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

/** Where a text may end that must not go on beyond `max`: not inside a character, nor inside an entity. */
function cutAt(text: string, max: number): number {
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
function longestFit(text: string, size: number, sizeOf: (part: string) => number): number {
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

/** A block of code whose end is still to come. */
interface OpenFence {
  /** What stands before it on its line: blanks, and the signs of quotes. */
  readonly prefix: string;
  readonly fence: string;
  readonly info: string;
}

/** Signs of quotes and lists, and then the fence (CommonMark, 4.5). */
const OPENING = /^((?:[ \t>]|[-*+] |\d{1,9}[.)] ){0,40})(`{3,}(?=[^`]*$)|~{3,})[ \t]*([\w+#.-]{0,30})/;

const closes = (line: string, fence: string): boolean => {
  const stripped = line.replace(/^[ \t>]*/, '').trimEnd();
  return stripped.length >= fence.length && stripped === fence[0]?.repeat(stripped.length);
};

/** The block of code that a text ends in, in lists and quotes too. */
function openFenceOf(text: string): OpenFence | undefined {
  let open: OpenFence | undefined;
  for (const line of text.split('\n')) {
    if (open !== undefined) {
      if (closes(line, open.fence)) open = undefined;
      continue;
    }
    const [, prefix, fence, info = ''] = OPENING.exec(line) ?? [];
    // What is inside an item is as far in as the item's own text.
    if (prefix !== undefined && fence !== undefined) open = { prefix: prefix.replaceAll(/[^\s>]/g, ' '), fence, info };
  }
  return open;
}

/** The text with an end to the code it ends in. */
function closeFence(text: string): string {
  const open = openFenceOf(text);
  return open === undefined ? text : `${text}\n${open.prefix}${open.fence}`;
}

/** What is left of the code, in a block of its own. Inside a list it comes out of the list: its item has ended. */
function reopenFence({ prefix, fence, info }: OpenFence, rest: string): string {
  if (prefix.includes('>')) return `${prefix}${fence}${info}\n${rest}`;
  const lines = rest.split('\n');
  const end = lines.findIndex((line) => closes(line, fence));
  const code = lines.slice(0, end === -1 ? lines.length : end + 1);
  const indented = new RegExp(`^[ \\t]{0,${prefix.length}}`);
  const moved = [...code.map((line) => line.replace(indented, '')), ...lines.slice(code.length)];
  return `${fence}${info}\n${moved.join('\n')}`;
}
