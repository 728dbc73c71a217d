import { fromBase64 } from '../core/crypto/encoding.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { isOf, RUN } from './chars.ts';
import { isFiller, randomChars } from './randomness.ts';

/**
 * All literals of all rules, found in one pass (Aho and Corasick, 1975): the cost is one table step per character,
 * however many rules there are and whatever the text holds. Only where a literal occurs does a rule look closer.
 */
export interface AnchorIndex {
  /** Calls `onAnchor` with the literal's index and the position after it, left to right; returns the marks met. */
  find(text: string, onAnchor: (anchor: number, end: number) => void): number;
  /** The marks met when no literal occurs, else -1. Most texts hold none, and this is all that is done for them. */
  marksWithout(text: string): number;
  /** The marks in the text, whatever else is in it. */
  marksIn(text: string): number;
}

/** Single characters whose presence the pass reports for free, as bits. */
export type Marks = ReadonlyMap<string, number>;

/** In the table of states: the state entered ends an anchor. Leaves 32,767 states; the rules need some 5,000. */
const ENDS_ANCHOR = 0x8000;

/** `anchors` are lower-case; the text's letters are folded, so `ghp_` is also found in `GHP_`. */
export function createAnchorIndex(anchors: readonly string[], marks: Marks): AnchorIndex {
  const { classOf, classes, firstMarked, markOf } = classify(anchors, marks);
  const { next, firstOut, outs } = buildAutomaton(anchors, classOf, classes);
  return {
    marksWithout(text) {
      let state = 0;
      let seen = 0;
      for (let i = 0; i < text.length; i += 1) {
        const kind = classOf[text.charCodeAt(i)] as number;
        if (kind >= firstMarked) seen |= markOf[kind] as number;
        state = next[state * classes + kind] as number;
        if (state >= ENDS_ANCHOR) return -1;
      }
      return seen;
    },
    marksIn(text) {
      let seen = 0;
      for (let i = 0; i < text.length; i += 1) {
        const kind = classOf[text.charCodeAt(i)] as number;
        if (kind >= firstMarked) seen |= markOf[kind] as number;
      }
      return seen;
    },
    find(text, onAnchor) {
      let state = 0;
      let seen = 0;
      for (let i = 0; i < text.length; i += 1) {
        const kind = classOf[text.charCodeAt(i)] as number;
        if (kind >= firstMarked) seen |= markOf[kind] as number;
        state = next[state * classes + kind] as number;
        if (state < ENDS_ANCHOR) continue;
        state -= ENDS_ANCHOR;
        for (let out = firstOut[state] as number; out !== 0; out = outs[out + 1] as number) {
          onAnchor(outs[out] as number, i + 1);
        }
      }
      return seen;
    },
  };
}

/**
 * Characters that no anchor uses share class 0, or one class for each mark, which keeps the table small enough for the
 * processor's cache. Marked classes come last, so that one comparison passes by all others.
 */
function classify(anchors: readonly string[], marks: Marks) {
  const classOf = new Uint8Array(0x10000);
  const markOf = [0];
  const used = [
    ...new Set(anchors.flatMap((anchor) => Array.from({ length: anchor.length }, (_, i) => anchor[i] ?? ''))),
  ];
  const assign = (chars: readonly string[], bit: number): void => {
    const kind = markOf.push(bit) - 1;
    for (const char of chars) {
      for (const form of [char, char.toUpperCase()]) if (form.length === 1) classOf[form.charCodeAt(0)] = kind;
    }
  };
  for (const char of used) if (!marks.has(char)) assign([char], 0);
  const firstMarked = markOf.length;
  for (const char of used) if (marks.has(char)) assign([char], marks.get(char) ?? 0);
  const rest = [...marks.keys()].filter((char) => !used.includes(char));
  for (const bit of new Set(marks.values())) {
    const chars = rest.filter((char) => marks.get(char) === bit);
    if (chars.length > 0) assign(chars, bit);
  }
  return { classOf, classes: markOf.length, firstMarked, markOf: Uint32Array.from(markOf) };
}

/**
 * `next[state * classes + class]` is the following state. `firstOut[state]` points at a linked list in `outs` (pairs of
 * anchor and next pair, 0 ends it): longest anchor first, then what its suffixes match.
 */
function buildAutomaton(anchors: readonly string[], classOf: Uint8Array, classes: number) {
  const children: Map<number, number>[] = [new Map()];
  const ends: number[][] = [[]];
  anchors.forEach((anchor, index) => {
    let state = 0;
    for (let i = 0; i < anchor.length; i += 1) {
      const kind = classOf[anchor.charCodeAt(i)] as number;
      let child = children[state]?.get(kind);
      if (child === undefined) {
        child = children.push(new Map()) - 1;
        ends.push([]);
        children[state]?.set(kind, child);
      }
      state = child;
    }
    ends[state]?.push(index);
  });
  return linkSuffixes(children, ends, classes);
}

/** Breadth first: when a state is visited, the state of its longest proper suffix is already complete. */
function linkSuffixes(children: readonly Map<number, number>[], ends: readonly number[][], classes: number) {
  const next = new Uint16Array(children.length * classes);
  const suffix = new Uint16Array(children.length);
  const firstOut = new Uint16Array(children.length);
  const outs = [0, 0];
  const queue = [0];
  for (const state of queue) {
    firstOut[state] = firstOut[suffix[state] as number] as number;
    for (const anchor of ends[state] as number[]) firstOut[state] = outs.push(anchor, firstOut[state] as number) - 2;
    for (let kind = 0; kind < classes; kind += 1) {
      const fallback = state === 0 ? 0 : (next[(suffix[state] as number) * classes + kind] as number);
      const child = children[state]?.get(kind);
      next[state * classes + kind] = child ?? fallback;
      if (child === undefined) continue;
      suffix[child] = fallback;
      queue.push(child);
    }
  }
  for (let i = 0; i < next.length; i += 1)
    if (firstOut[next[i] as number] !== 0) next[i] = (next[i] as number) | ENDS_ANCHOR;
  return { next, firstOut, outs: Uint16Array.from(outs) };
}

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
