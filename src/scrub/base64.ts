import { fromBase64, SEXTETS, toUtf8 } from '../core/crypto/encoding.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { isOf, SEPARATOR } from './chars.ts';

/** A block of base64, possibly of several lines, as mail carries it. */
export interface Base64Block {
  readonly start: number;
  readonly end: number;
  /** What it stands for: UTF-8 or UTF-16 where the bytes are such, else one character for each byte. */
  decode(): string;
  /** The block with other content: same character encoding, alphabet, padding and line width. */
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

/**
 * The blocks of text in base64 that begin in the run `start`..`end`. Whatever their bytes turn out to be, a block is
 * passed as a whole: what began inside it again would read the rest of it again, line by line.
 */
export function base64Blocks(text: string, start: number, end: number): Base64Block[] {
  const blocks: Base64Block[] = [];
  for (let at = textStart(text, start, end); at !== -1; ) {
    const block = readBlock(text, at, end);
    blocks.push(block);
    at = block.end < end ? textStart(text, block.end, end) : -1;
  }
  return blocks;
}

function readBlock(text: string, start: number, limit: number): Base64Block {
  const lines = readLines(text, start, limit);
  const body = lines.parts.join('');
  return {
    start,
    end: lines.end,
    decode() {
      const bytes = toBytes(body);
      return encodingOf(bytes).decode(bytes);
    },
    encode: (content) => wrap(encode(encodingOf(toBytes(body)).encode(content), body), lines),
  };
}

/** One character more than whole bytes have is what a cut left of the next byte. */
const toBytes = (body: string): Uint8Array => {
  const plain = trimEndOf(body, '=');
  return fromBase64(plain.length % 4 === 1 ? plain.slice(0, -1) : plain) ?? NO_BYTES;
};

const NO_BYTES = new Uint8Array(0);

interface Lines {
  readonly parts: readonly string[];
  readonly lineBreak: string;
  readonly end: number;
}

/** Fewer characters in a line than any program wraps at. */
const LEAST_WIDTH = 40;

/** Lines of equal width belong together; a shorter one or padding ends the block. The first line ends before `limit`. */
function readLines(text: string, start: number, limit: number): Lines {
  const firstEnd = paddedEnd(text, start, limit);
  const parts = [text.slice(start, firstEnd)];
  const width = firstEnd - start;
  let lineBreak = '';
  let end = firstEnd;
  while (width >= LEAST_WIDTH && text[end - 1] !== '=') {
    LINE_BREAK.lastIndex = end;
    const gap = LINE_BREAK.exec(text);
    if (gap === null) break;
    const lineStart = LINE_BREAK.lastIndex;
    const lineEnd = paddedEnd(text, lineStart, Math.min(text.length, lineStart + width + 1));
    const length = lineEnd - lineStart;
    if (length === 0 || length > width) break;
    lineBreak = gap[0];
    parts.push(text.slice(lineStart, lineEnd));
    end = lineEnd;
    if (length < width) break;
  }
  return { parts, lineBreak, end };
}

/** The end of the characters of base64 from `from` on, with up to two signs of padding. */
function paddedEnd(text: string, from: number, limit: number): number {
  let end = from;
  while (end < limit && SEXTETS[text.charCodeAt(end)] !== -1) end += 1;
  for (let padding = 0; padding < 2 && end > from && end < limit && text[end] === '='; padding += 1) end += 1;
  return end;
}

interface CharacterEncoding {
  decode(bytes: Uint8Array): string;
  encode(text: string): Uint8Array;
}

function encodingOf(bytes: Uint8Array): CharacterEncoding {
  if (bytes[0] === 0) return UTF16_BE;
  if (bytes[1] === 0) return UTF16_LE;
  return isUtf8(bytes) ? UTF8 : SINGLE_BYTES;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    STRICT_UTF8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const UTF8: CharacterEncoding = { decode: (bytes) => STRICT_UTF8.decode(bytes), encode: toUtf8 };

/** PowerShell's `-EncodedCommand` is UTF-16, little endian. */
const utf16 = (label: string, isLittleEndian: boolean): CharacterEncoding => {
  const decoder = new TextDecoder(label, { ignoreBOM: true });
  return {
    decode: (bytes) => decoder.decode(bytes),
    encode(text) {
      const view = new DataView(new ArrayBuffer(2 * text.length));
      for (let i = 0; i < text.length; i += 1) view.setUint16(2 * i, text.charCodeAt(i), isLittleEndian);
      return new Uint8Array(view.buffer);
    },
  };
};
const UTF16_LE = utf16('utf-16le', true);
const UTF16_BE = utf16('utf-16be', false);

/**
 * Latin-1 and its relatives, text that was cut inside a character, and text with other bytes behind it: secrets are
 * ASCII in all of them. Each byte is the character of its number, so that every byte can be written again.
 */
const SINGLE_BYTES: CharacterEncoding = {
  decode(bytes) {
    let text = '';
    for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
    return text;
  },
  encode: (text) => Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff),
};

/** Arguments of one call. */
const CHUNK = 8192;

/** In the original's alphabet (RFC 4648, sections 4 and 5) and padded as it was. */
function encode(bytes: Uint8Array, original: string): string {
  const standard = btoa(SINGLE_BYTES.decode(bytes));
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
