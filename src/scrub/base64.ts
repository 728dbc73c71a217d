import { fromBase64, toUtf8 } from '../core/encoding.ts';

/** Below this, decoded text is too short to hold a secret and its context. */
export const LEAST_BASE64 = 24;

/** A block of base64, possibly of several lines, as mail carries it. */
export interface Base64Block {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The block with other content: same alphabet, padding and line width. */
  encode(text: string): string;
}

const LINE_BREAK = /(?:\r?\n|(?:\\r)?\\n)[ \t]{0,8}/y;

const BLOCK = /[A-Za-z0-9+/_-]{24,}={0,2}/g;

/** The blocks of text in base64 that begin in the run `start`..`end`. */
export function base64Blocks(text: string, start: number, end: number): Base64Block[] {
  const blocks: Base64Block[] = [];
  for (const { index, 0: body } of text.slice(start, end).matchAll(BLOCK)) {
    const block = readBlock(text, start + index, start + index + body.length);
    if (block !== null) blocks.push(block);
  }
  return blocks;
}

/** Characters decoded first, to see whether it is text at all; a multiple of four. */
const PROBE = 512;

function readBlock(text: string, start: number, runEnd: number): Base64Block | null {
  const probe = fromBase64(text.slice(start, Math.min(runEnd, start + PROBE)).replace(/=+$/, ''));
  if (probe === null || encodingOf(probe) === null) return null;
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

/** Share of printable characters from which bytes are text: random bytes have 0.87. */
const PRINTABLE = 0.92;

function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16' | null {
  let printable = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (byte === 0) zeros += 1;
    else if ((byte >= 0x20 && byte !== 0x7f) || (byte >= 9 && byte <= 13)) printable += 1;
  }
  if (zeros > 0 && Math.abs(2 * zeros - bytes.length) <= 1) return 'utf-16';
  return printable >= PRINTABLE * bytes.length ? 'utf-8' : null;
}

function decodeText(bytes: Uint8Array): Decoded | null {
  if (encodingOf(bytes.subarray(0, PROBE)) === 'utf-16') return utf16(bytes);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, toBytes: (content) => toUtf8(content) };
  } catch {
    return null;
  }
}

/** PowerShell's `-EncodedCommand` is UTF-16, little endian. */
const utf16 = (bytes: Uint8Array): Decoded => ({
  text: new TextDecoder('utf-16le').decode(bytes),
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
  return isPadded ? alphabet : alphabet.replace(/=+$/, '');
}

function wrap(encoded: string, { parts, lineBreak }: Lines): string {
  if (lineBreak === '') return encoded;
  const width = (parts[0] as string).length;
  const lines: string[] = [];
  for (let at = 0; at < encoded.length; at += width) lines.push(encoded.slice(at, at + width));
  return lines.join(lineBreak);
}
