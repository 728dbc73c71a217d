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
