import type { AnchorIndex, Marks } from './anchors.ts';
import { createAnchorIndex } from './anchors.ts';
import { PLACEHOLDER } from './placeholder.ts';
import { isFiller } from './randomness.ts';
import type { ContextRule, Hit, Report, TokenRule } from './rules/rule.ts';

/** No rule hides anything shorter than this, so shorter texts are not looked at. */
const SHORTEST_SECRET = 6;

export interface Scanned {
  /** In order, without overlaps. */
  readonly hits: readonly Hit[];
  /** Which of the marks occur in the text, as bits. */
  readonly marks: number;
}

/** Finds the secrets of one flat text. */
export type Scanner = (text: string) => Scanned;

const NOTHING: Scanned = { hits: [], marks: 0 };

export function createScanner(tokens: readonly TokenRule[], contexts: readonly ContextRule[], marks: Marks): Scanner {
  const ruleNames = new Set([...tokens.map((rule) => rule.name), ...contexts.flatMap((rule) => rule.names)]);
  const { index, anchors, rulesOf } = indexRules([...tokens, ...contexts, { anchors: ['[secret:'] }], marks);
  const protector = tokens.length + contexts.length;
  return (text) => {
    if (text.length < SHORTEST_SECRET) return NOTHING;
    const hits: Hit[] = [];
    const shields: Hit[] = [];
    const tried = new Map<number, number>();
    const opened = new Map<number, (start: number, end: number) => void>();
    const report: Report = (hit) => hits.push(hit);
    const found = index.find(text, (anchor, end) => {
      const start = end - (anchors[anchor] as string).length;
      for (const id of rulesOf[anchor] as readonly number[]) {
        if (id === protector) shieldPlaceholder(text, start, ruleNames, shields);
        else if (id < tokens.length) tryToken(tokens[id] as TokenRule, id, text, start, tried, hits);
        else {
          let look = opened.get(id);
          if (look === undefined) {
            look = (contexts[id - tokens.length] as ContextRule).open(text, report);
            opened.set(id, look);
          }
          look(start, end);
        }
      }
    });
    return { hits: hits.length === 0 ? hits : resolve(hits, shields), marks: found };
  };
}

interface RuleIndex {
  readonly index: AnchorIndex;
  readonly anchors: readonly string[];
  /** Rule numbers by anchor number. */
  readonly rulesOf: readonly (readonly number[])[];
}

function indexRules(rules: readonly { readonly anchors: readonly string[] }[], marks: Marks): RuleIndex {
  const byAnchor = new Map<string, number[]>();
  rules.forEach((rule, id) => {
    for (const anchor of rule.anchors) byAnchor.set(anchor, [...(byAnchor.get(anchor) ?? []), id]);
  });
  const anchors = [...byAnchor.keys()];
  return { index: createAnchorIndex(anchors, marks), anchors, rulesOf: [...byAnchor.values()] };
}

const ALNUM = /[A-Za-z0-9]/;
const GLUE = /[A-Za-z0-9_\-./+]/;

/** `tried` remembers how far a rule has looked: repeated anchors inside one long run must not each scan it again. */
function tryToken(
  rule: TokenRule,
  id: number,
  text: string,
  anchorStart: number,
  tried: Map<number, number>,
  hits: Hit[],
): void {
  const start = rule.lead === 'run' ? runStart(text, anchorStart) : anchorStart - (rule.lead ?? 0);
  if (start < (tried.get(id) ?? 0)) return;
  if (start > 0 && rule.boundary !== 'none') {
    const before = text[start - 1] as string;
    if ((rule.boundary === 'strict' ? GLUE : ALNUM).test(before)) return;
  }
  rule.pattern.lastIndex = start;
  const match = rule.pattern.exec(text);
  if (match === null) return;
  const end = runEnd(text, start + match[0].length);
  tried.set(id, end);
  const secretStart = start + (match[1]?.length ?? 0);
  const secret = text.slice(secretStart, end);
  if (rule.accept === undefined ? isFiller(secret) : !rule.accept(secret)) return;
  hits.push({ rule: rule.name, start: secretStart, end, rank: 2 });
}

/** Letters and digits a `run` lead goes back at most: the longest id in front of an anchor has 16. */
const LONGEST_LEAD = 32;

function runStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < LONGEST_LEAD && ALNUM.test(text[start - 1] as string)) start -= 1;
  return start;
}

function runEnd(text: string, at: number): number {
  let end = at;
  if (!ALNUM.test(text[end - 1] as string)) return end;
  while (end < text.length && ALNUM.test(text[end] as string)) end += 1;
  return end;
}

function shieldPlaceholder(text: string, start: number, ruleNames: ReadonlySet<string>, shields: Hit[]): void {
  PLACEHOLDER.lastIndex = start;
  const match = PLACEHOLDER.exec(text);
  if (match === null || !ruleNames.has(match[1] as string)) return;
  shields.push({ rule: '', start, end: start + match[0].length, rank: 0 });
}

/** What is already hidden stays as it is; overlapping stretches become one, named by the highest-ranked, then longest. */
function resolve(hits: readonly Hit[], shields: readonly Hit[]): Hit[] {
  const ordered = hits
    .filter((hit) => !shields.some((shield) => shield.start < hit.end && hit.start < shield.end))
    .sort((a, b) => a.start - b.start);
  const merged: Hit[] = [];
  for (const hit of ordered) {
    const last = merged.at(-1);
    if (last === undefined || hit.start >= last.end) merged.push(hit);
    else merged[merged.length - 1] = union(last, hit);
  }
  return merged;
}

function union(a: Hit, b: Hit): Hit {
  const named = b.rank > a.rank || (b.rank === a.rank && b.end - b.start > a.end - a.start) ? b : a;
  return { ...named, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}
