import { looksRandom } from '../randomness.ts';
import type { ContextRule, Report, TokenRule } from './rule.ts';

/** Formats: PuTTY appendix C; age and WireGuard documentation. PEM and OpenPGP blocks are below. */
export const privateKeyRules: readonly TokenRule[] = [
  // PuTTY: everything from the private lines to the MAC.
  {
    name: 'private-key',
    anchors: ['private-lines:'],
    pattern: /(Private-Lines: \d{1,4}[\s\\nr]{1,6})[A-Za-z0-9+/=\s\\]{40,20000}/y,
    boundary: 'none',
  },
  // age identities: bech32 behind a human-readable part, 58 characters.
  { name: 'age-key', anchors: ['age-secret-key-'], pattern: /AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{40,2048}/iy },
  // WireGuard: 32 bytes of base64 after `PrivateKey` or `PresharedKey`.
  {
    name: 'wireguard-key',
    anchors: ['privatekey', 'presharedkey'],
    pattern: /((?:Private|Preshared)Key\s{0,4}=\s{0,4})[A-Za-z0-9+/]{43}=/y,
    boundary: 'none',
    accept: (key) => looksRandom(key, 16),
  },
];

/** Longest block looked at: a 16,384-bit RSA key in PEM has 12 KiB. */
const LONGEST_BLOCK = 32 * 1024;

/** Base64 characters that make a block; an empty one is an example. */
const LEAST_BODY = 16;

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;

/** One line of a block: quoting, then base64, a header (`Proc-Type: 4,ENCRYPTED`) or nothing, then a line end, raw or as `\n`. */
const LINE =
  /[ \t>|#*+"']{0,8}(?:[A-Za-z0-9+/=]{0,256}|[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,120})[ \t"',;+]{0,8}(?:\r?\n|(?:\\{1,4}[nr]){1,2}|$)/y;

/**
 * RFC 7468 and RFC 9580: a private key stands between BEGIN and END lines. One that was cut off is hidden as far as it
 * reaches, from either side, so that no part of it is left when a text is split inside the block.
 */
export const privateKeyBlocks: ContextRule = {
  names: ['private-key'],
  anchors: ['-----begin ', '-----end '],
  isFormed: true,
  open(text, report) {
    let nextEnd = -1;
    let hiddenTo = 0;
    return (anchorStart, anchorEnd) => {
      if (anchorStart < hiddenTo) return;
      if (text[anchorEnd - 2] === 'D') {
        hiddenTo = hideBefore(text, anchorStart, hiddenTo, report);
        return;
      }
      BEGIN.lastIndex = anchorStart;
      const begin = BEGIN.exec(text);
      if (begin === null) return;
      const bodyStart = anchorStart + begin[0].length;
      if (nextEnd < bodyStart) nextEnd = indexOrEnd(text, '-----END ', bodyStart);
      hiddenTo = hideFrom(text, anchorStart, bodyStart, nextEnd, report);
    };
  },
};

function indexOrEnd(text: string, needle: string, from: number): number {
  const at = text.indexOf(needle, from);
  return at === -1 ? Number.POSITIVE_INFINITY : at;
}

function hideFrom(text: string, start: number, bodyStart: number, nextEnd: number, report: Report): number {
  let end = bodyStart;
  END.lastIndex = nextEnd;
  const close =
    nextEnd - bodyStart <= LONGEST_BLOCK && text.lastIndexOf('-----BEGIN ', nextEnd) === start ? END.exec(text) : null;
  if (close !== null) end = nextEnd + close[0].length;
  else end = afterLines(text, bodyStart);
  if (base64Chars(text, bodyStart, close === null ? end : nextEnd) < LEAST_BODY) return bodyStart;
  report({ rule: 'private-key', start, end, rank: 3 });
  return end;
}

/** Where the lines that can belong to a block end. */
function afterLines(text: string, from: number): number {
  let end = from;
  while (end < text.length && end - from < LONGEST_BLOCK) {
    LINE.lastIndex = end;
    const line = LINE.exec(text);
    if (line === null || line[0].length === 0) break;
    end += line[0].length;
  }
  return end;
}

const BODY_BACKWARDS = /[A-Za-z0-9+/=\s\\]/;

/** The tail of a block whose beginning is missing. */
function hideBefore(text: string, endLine: number, floor: number, report: Report): number {
  END.lastIndex = endLine;
  const close = END.exec(text);
  if (close === null) return floor;
  let start = endLine;
  while (start > floor && endLine - start < LONGEST_BLOCK && BODY_BACKWARDS.test(text[start - 1] as string)) start -= 1;
  if (base64Chars(text, start, endLine) < LEAST_BODY) return floor;
  const end = endLine + close[0].length;
  report({ rule: 'private-key', start, end, rank: 3 });
  return end;
}

const base64Chars = (text: string, start: number, end: number): number =>
  text.slice(start, Math.min(end, start + 400)).replace(/[^A-Za-z0-9+/]/g, '').length;
