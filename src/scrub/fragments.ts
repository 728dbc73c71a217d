import { fromBase64 } from '../core/crypto/encoding.ts';
import { trimEndOf } from '../core/text/trim.ts';
import { isOf, RUN } from './chars.ts';
import { isFiller, randomChars } from './randomness.ts';

/**
 * The second half of a secret that was cut in two: it has lost the beginning by which it would be known. A text that
 * begins in the middle of something generated and goes on with other words is taken for one. A text that is nothing
 * but such a run is left alone: it is how identifiers look, and payloads are full of them.
 */
const LEAST = 22;

/** Longest tail looked at: a key of 16,384 bits in base64 has 3 KiB. */
const LONGEST = 4096;

/** Signs that tokens have inside besides those of a run. */
const INSIDE = ':%|$!';
const CLOSING = '"\'`)]}>,;!?';

/** Everything up to the first blank, when more words follow on the line; else nothing. */
function firstRun(text: string): string {
  let end = 0;
  while (end < LONGEST && (isOf(RUN, text, end) || INSIDE.includes(text[end] ?? ' '))) end += 1;
  let after = end;
  while (after - end < 6 && CLOSING.includes(text[after] ?? ' ')) after += 1;
  return text[after] === ' ' || text[after] === '\t' ? trimEndOf(text.slice(0, end), '.:!') : '';
}

/**
 * What may begin a sentence: dates, numbers, names in capitals (ULIDs among them), UUIDs and traces, addresses of
 * wallets, digests, and the identifiers of Exchange and Teams, which begin alike within a mailbox or a tenant.
 */
const IDENTIFIER =
  /^(?:[\d.-]+$|[0-9A-Z_-]+$|[0-9a-f]+(?:-[0-9a-f]+)+$|0x[0-9a-f]+$|bc1[a-z0-9]{36,60}$|Qm[A-Za-z1-9]{44}$|sha\d{3}-|SHA256:|A(?:AMk|AQk|QMk)|CQAAA|(?:19|28|29|a):)/;

/** A kind and one generated part, as in `pi_…` or `chatcmpl-…`, unless the kind is the rest of a prefix rules know. */
const TYPED = /^([a-z]{2,12}[_-])[A-Za-z0-9]{8,32}$/;

const HEX = /^[0-9a-f]+$/;

/** Lengths of abbreviated and full MD5, SHA-1 and SHA-2 digests in hexadecimal; others are no hashes. */
const HASH_LENGTHS = new Set([32, 40, 48, 56, 64, 96, 128]);

/** Slack's tokens end in numbers and one generated part. */
const SLACK_TAIL = /^(?:\d{0,14}-)?\d{9,14}-[A-Za-z0-9]{20,64}$/;

/** Where the cut secret at the beginning of the text ends; 0 when there is none. `prefixEnds`: see `endsOfPrefixes`. */
export function cutSecretEnd(text: string, prefixEnds: ReadonlySet<string>): number {
  const run = firstRun(text);
  if (isJwtTail(run) || SLACK_TAIL.test(run)) return run.length;
  if (run.length < LEAST || IDENTIFIER.test(run)) return 0;
  const typed = TYPED.exec(run);
  if (typed !== null && !prefixEnds.has(typed[1] as string)) return 0;
  if (HEX.test(run)) return HASH_LENGTHS.has(run.length) ? 0 : run.length;
  const random = randomChars(run);
  if (random < 10 || random * 3 < run.length || isFiller(run) || isPath(run)) return 0;
  const isMixed = /[a-z]/.test(run) && /[A-Z]/.test(run) && (/\d/.test(run) || random >= 14);
  const alternations = run.match(/[A-Za-z]\d|\d[A-Za-z]/g)?.length ?? 0;
  return isMixed || alternations >= 4 ? run.length : 0;
}

/** Addresses, files and links to commits: an ending, a root, or many pieces that are words or hashes. */
function isPath(run: string): boolean {
  if (/\.[a-z]{2,5}$/.test(run) || /^\.{1,2}\//.test(run) || run.includes('://')) return true;
  const parts = run.split('/');
  const plain = parts.filter((part) => /^[0-9a-f]{7,}$|^[a-z-]{4,}$|^[a-z]{3}$/.test(part));
  return plain.length * 3 >= parts.length && !parts.some((part) => part.length >= 20 && /[A-Z]/.test(part));
}

/** `…payload.signature`: the end of a payload decodes to the end of a JSON object. */
function isJwtTail(run: string): boolean {
  const dot = run.indexOf('.');
  if (dot < 8 || run.indexOf('.', dot + 1) !== -1 || run.length - dot < 21 || !/^[\w.-]+$/.test(run)) return false;
  for (let skip = 0; skip < 4; skip += 1) {
    const bytes = fromBase64(run.slice(skip, dot));
    if (bytes !== null && /["\d\]elE][}\]]$/.test(new TextDecoder().decode(bytes))) return true;
  }
  return false;
}

/** What is left of the rules' literals when their beginning is cut off: `hp_` and `p_` of `ghp_`. */
export function endsOfPrefixes(anchors: readonly string[]): ReadonlySet<string> {
  const ends = new Set<string>();
  for (const anchor of anchors) for (let at = 0; at < anchor.length; at += 1) ends.add(anchor.slice(at));
  return ends;
}
