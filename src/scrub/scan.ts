import { createAnchorIndex } from './anchors.ts';
import { cutSecretEnd } from './fragments.ts';
import { PLACEHOLDER } from './placeholder.ts';
import { isFiller } from './randomness.ts';
import type { ContextRule, Hit, Report, TokenRule } from './rules/rule.ts';
import type { ShapeRule } from './rules/shapes.ts';
import { eachLongRun } from './runs.ts';

/** No rule hides anything shorter than this, so shorter texts are not looked at. */
const SHORTEST_TEXT = 6;

/** Runs of token characters from which on shapes and encoded text are looked for. */
const LONG_RUN = 16;

/** Longest run in which shapes are looked for: no secret without a literal is longer, data is. */
const LONGEST_SHAPED_RUN = 512;

export interface Rules {
  readonly tokens: readonly TokenRule[];
  readonly contexts: readonly ContextRule[];
  readonly shapes: readonly ShapeRule[];
}

export interface Scanned {
  /** Unordered; may overlap. */
  readonly hits: readonly Hit[];
  /** Placeholders already there. */
  readonly shields: readonly Stretch[];
  /** Runs of token characters long enough to hold something encoded. */
  readonly runs: readonly Stretch[];
  /** Which of the marks occur in the text, as bits. */
  readonly marks: number;
}

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Finds the secrets of one text as it stands. */
export type Scanner = (text: string) => Scanned;

const NOTHING: Scanned = { hits: [], shields: [], runs: [], marks: 0 };

const PLACEHOLDER_START = '[secret:';

type Look = (start: number, end: number) => void;

export function createScanner(rules: Rules, marks: ReadonlyMap<string, number>): Scanner {
  const { index, lengths, rulesOf } = indexRules(rules, marks);
  const names = new Set([
    ...rules.tokens.map((rule) => rule.name),
    ...rules.shapes.map((rule) => rule.name),
    ...rules.contexts.flatMap((rule) => rule.names),
    CUT_SECRET,
  ]);
  return (text) => {
    if (text.length < SHORTEST_TEXT) return NOTHING;
    const hits: Hit[] = [];
    const shields: Stretch[] = [];
    const report: Report = (hit) => hits.push({ ...hit, secret: text.slice(hit.start, hit.end) });
    const looks: Look[] = [];
    const open = (id: number): Look => {
      const token = rules.tokens[id];
      if (token !== undefined) return lookForToken(token, text, report);
      const context = rules.contexts[id - rules.tokens.length];
      return context !== undefined ? context.open(text, report) : lookForPlaceholder(text, names, shields);
    };
    const found = index.find(text, (anchor, end) => {
      for (const id of rulesOf[anchor] as readonly number[]) {
        let look = looks[id];
        if (look === undefined) {
          look = open(id);
          looks[id] = look;
        }
        look(end - (lengths[anchor] as number), end);
      }
    });
    return { hits, shields, runs: lookAtRuns(text, rules.shapes, report), marks: found };
  };
}

function indexRules({ tokens, contexts }: Rules, marks: ReadonlyMap<string, number>) {
  const byAnchor = new Map<string, number[]>();
  [...tokens, ...contexts, { anchors: [PLACEHOLDER_START] }].forEach(({ anchors }, id) => {
    for (const anchor of anchors) byAnchor.set(anchor, [...(byAnchor.get(anchor) ?? []), id]);
  });
  const anchors = [...byAnchor.keys()];
  return {
    index: createAnchorIndex(anchors, marks),
    lengths: anchors.map((anchor) => anchor.length),
    rulesOf: [...byAnchor.values()],
  };
}

const ALNUM = /[A-Za-z0-9]/;

/** True when what stands before makes the match the end of something longer. */
function isGlued(text: string, at: number, isStrict: boolean): boolean {
  if (at === 0) return false;
  const before = text[at - 1] as string;
  if (ALNUM.test(before)) return true;
  if (!isStrict || !/[_\-./+]/.test(before) || !ALNUM.test(text[at - 2] ?? ' ')) return false;
  return before !== '/' || !isInPath(text, at);
}

/** A slash belongs to base64 or to a path; a path begins with one, with a dot or with a scheme. */
const LONGEST_PATH = 120;

function isInPath(text: string, at: number): boolean {
  let start = at;
  while (start > 0 && at - start < LONGEST_PATH && !/[\s"'`(<>=]/.test(text[start - 1] as string)) start -= 1;
  return /^[./]/.test(text[start] as string) || text.slice(start, at).includes('://');
}

/** Remembers how far the rule has looked: repeated anchors inside one long run must not each scan it again. */
function lookForToken(rule: TokenRule, text: string, report: Report): Look {
  const { name, pattern, lead = 0, boundary } = rule;
  const isRefused = rule.accept === undefined ? isFiller : (secret: string) => rule.accept?.(secret) === false;
  let lookedTo = 0;
  return (anchorStart) => {
    const from = lead === 'run' ? runStart(text, anchorStart) : anchorStart - lead;
    if (from < lookedTo) return;
    if (boundary !== 'none' && isGlued(text, from, boundary === 'strict')) return;
    pattern.lastIndex = from;
    const match = pattern.exec(text);
    if (match === null) return;
    const end = runEnd(text, from + match[0].length);
    const start = from + (match[1]?.length ?? 0);
    lookedTo = end;
    if (!isRefused(text.slice(start, end))) report({ rule: name, start, end, rank: rule.isShared === true ? 2 : 3 });
  };
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

/** Only names of rules count: a secret must not hide by dressing up as something already hidden. */
function lookForPlaceholder(text: string, names: ReadonlySet<string>, shields: Stretch[]): Look {
  return (start) => {
    PLACEHOLDER.lastIndex = start;
    const match = PLACEHOLDER.exec(text);
    if (match !== null && names.has(match[1] as string)) shields.push({ start, end: start + match[0].length });
  };
}

const CUT_SECRET = 'cut-secret';

/** A cut secret may begin with signs that no run has; its first long run is not far. */
const CUT_WITHIN = 64;

function lookAtRuns(text: string, shapes: readonly ShapeRule[], report: Report): Stretch[] {
  const runs: Stretch[] = [];
  if (text.length < LONG_RUN) return runs;
  eachLongRun(text, LONG_RUN, (start, end) => {
    runs.push({ start, end });
    const cut = runs.length === 1 && start <= CUT_WITHIN ? cutSecretEnd(text) : 0;
    if (cut > 0) report({ rule: CUT_SECRET, start: 0, end: cut, rank: 1 });
    if (end - start > LONGEST_SHAPED_RUN || !hasGeneratedPiece(text, start, end)) return;
    const run = text.slice(start, end);
    for (const { name, pattern, accept } of shapes) {
      pattern.lastIndex = 0;
      for (let match = pattern.exec(run); match !== null; match = pattern.exec(run)) {
        const at = start + match.index;
        if (accept(match[0])) report({ rule: name, start: at, end: at + match[0].length, rank: 2 });
      }
    }
  });
  return runs;
}

/** Letters and digits in one piece from which on a shape can be there. */
const LEAST_PIECE = 14;

/** A piece of letters and digits that has both: no word, no number. */
function hasGeneratedPiece(text: string, start: number, end: number): boolean {
  let letters = 0;
  let digits = 0;
  for (let at = start; at < end; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
    else if ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a) letters += 1;
    else if (unit !== 0x2b && unit !== 0x2f) {
      letters = 0;
      digits = 0;
    }
    if (letters > 0 && digits > 0 && letters + digits >= LEAST_PIECE) return true;
  }
  return false;
}
