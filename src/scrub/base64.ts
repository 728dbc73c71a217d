import { fromBase64, SEXTETS, toUtf8 } from '../core/encoding.ts';
import { trimEndOf } from '../core/trim.ts';
import { isOf, SEPARATOR } from './chars.ts';

/** A block of base64, possibly of several lines, as mail carries it. */
export interface Base64Block {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The block with other content: same alphabet, padding and line width. */
  encode(text: string): string;
}

const LINE_BREAK = /(?:\r?\n|(?:\\r)?\\n)[ \t]{0,8}/y;

/** Characters of a block that are decoded by hand before anything is allocated for it; a multiple of four. */
const GLANCE = 24;

/**
 * Where in the run a block begins that reads like text: at its beginning or behind a sign that addresses and forms
 * have; -1 when nowhere. A cheap look, since most long runs are paths and links.
 */
export function textStart(text: string, start: number, end: number): number {
  for (let at = start; at + GLANCE - 2 <= end; at += 1) {
    if ((at === start || isOf(SEPARATOR, text, at - 1)) && beginsLikeText(text, at)) return at;
  }
  return -1;
}

/** Whether the bytes of the first characters are printable UTF-8, or UTF-16. Random bytes practically never are. */
function beginsLikeText(text: string, start: number): boolean {
  let zeros = 0;
  let expected = 0;
  for (let at = start; at < start + GLANCE - 4; at += 4) {
    const group =
      ((SEXTETS[text.charCodeAt(at)] as number) << 18) |
      ((SEXTETS[text.charCodeAt(at + 1)] as number) << 12) |
      ((SEXTETS[text.charCodeAt(at + 2)] as number) << 6) |
      (SEXTETS[text.charCodeAt(at + 3)] as number);
    if (group < 0) return false;
    for (let shift = 16; shift >= 0; shift -= 8) {
      const byte = (group >> shift) & 0xff;
      if (byte >> 6 === 2) {
        if (expected === 0) return false;
        expected -= 1;
      } else if (expected > 0 || isOdd(byte)) return false;
      else if (byte === 0) zeros += 1;
      else expected = byte < 0xc2 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    }
  }
  // Of the fifteen bytes seen, UTF-16 has seven or eight zeros.
  return zeros === 0 || zeros >= 6;
}

/** Control characters, and bytes that begin no UTF-8 sequence. */
const isOdd = (byte: number): boolean =>
  (byte < 0x20 && byte !== 0 && byte !== 9 && byte !== 10 && byte !== 13) ||
  byte === 0x7f ||
  byte === 0xc0 ||
  byte === 0xc1 ||
  byte >= 0xf5;

/** The blocks of text in base64 that begin in the run `start`..`end`. */
export function base64Blocks(text: string, start: number, end: number): Base64Block[] {
  const blocks: Base64Block[] = [];
  for (let at = textStart(text, start, end); at !== -1; ) {
    let blockEnd = at;
    while (SEXTETS[text.charCodeAt(blockEnd)] !== -1 && blockEnd < end) blockEnd += 1;
    while (text[blockEnd] === '=' && blockEnd < end) blockEnd += 1;
    const block = readBlock(text, at, blockEnd);
    if (block !== null) blocks.push(block);
    at = blockEnd < end ? textStart(text, blockEnd, end) : -1;
  }
  return blocks;
}

function readBlock(text: string, start: number, runEnd: number): Base64Block | null {
  const lines = readLines(text, start, runEnd);
  const body = lines.parts.join('');
  const bytes = fromBase64(body);
  const decoded = bytes === null ? null : decodeText(bytes);
  if (decoded === null) return null;
  return {
    start,
    end: lines.end,
    text: decoded.text,
    encode: (content) => wrap(encode(decoded.toBytes(content), body), lines),
  };
}

interface Lines {
  readonly parts: readonly string[];
  readonly lineBreak: string;
  readonly end: number;
}

/** Lines of equal width belong together; a shorter one ends the block. */
function readLines(text: string, start: number, runEnd: number): Lines {
  const parts = [text.slice(start, runEnd)];
  const width = runEnd - start;
  let lineBreak = '';
  let end = runEnd;
  while (width >= 40 && !(parts.at(-1) as string).endsWith('=')) {
    LINE_BREAK.lastIndex = end;
    const gap = LINE_BREAK.exec(text);
    if (gap === null) break;
    let lineEnd = LINE_BREAK.lastIndex;
    while (lineEnd < text.length && /[A-Za-z0-9+/_=-]/.test(text[lineEnd] as string)) lineEnd += 1;
    const length = lineEnd - LINE_BREAK.lastIndex;
    if (length === 0 || length > width) break;
    lineBreak = gap[0];
    parts.push(text.slice(lineEnd - length, lineEnd));
    end = lineEnd;
    if (length < width) break;
  }
  return { parts, lineBreak, end };
}

interface Decoded {
  readonly text: string;
  toBytes(text: string): Uint8Array;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const UTF16 = new TextDecoder('utf-16le', { ignoreBOM: true });

function decodeText(bytes: Uint8Array): Decoded | null {
  if (bytes[0] === 0 || bytes[1] === 0) return utf16(bytes);
  try {
    return { text: UTF8.decode(bytes), toBytes: toUtf8 };
  } catch {
    return null;
  }
}

/** PowerShell's `-EncodedCommand` is UTF-16, little endian. */
const utf16 = (bytes: Uint8Array): Decoded => ({
  text: UTF16.decode(bytes),
  toBytes(text) {
    const view = new DataView(new ArrayBuffer(2 * text.length));
    for (let i = 0; i < text.length; i += 1) view.setUint16(2 * i, text.charCodeAt(i), true);
    return new Uint8Array(view.buffer);
  },
});

/** In the original's alphabet (RFC 4648, sections 4 and 5) and padded as it was. */
function encode(bytes: Uint8Array, original: string): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  const standard = btoa(binary);
  const isUrlSafe = /[-_]/.test(original);
  const isPadded = original.endsWith('=') || (!isUrlSafe && original.length % 4 === 0);
  const alphabet = isUrlSafe ? standard.replaceAll('+', '-').replaceAll('/', '_') : standard;
  return isPadded ? alphabet : trimEndOf(alphabet, '=');
}

function wrap(encoded: string, { parts, lineBreak }: Lines): string {
  if (lineBreak === '') return encoded;
  const width = (parts[0] as string).length;
  const lines: string[] = [];
  for (let at = 0; at < encoded.length; at += width) lines.push(encoded.slice(at, at + width));
  return lines.join(lineBreak);
}
