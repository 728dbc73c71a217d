import { createAnchorIndex, cutSecretEnd, endsOfPrefixes } from './anchors.ts';
import { textStart } from './base64.ts';
import { ALNUM, DIGIT, endOfRun, isOf, RUN } from './chars.ts';
import type { Effort } from './effort.ts';
import { PLACEHOLDER } from './placeholder.ts';
import type { ContextRule, Hit, Report, TokenRule } from './rules/rule.ts';
import type { ShapeRule } from './rules/shapes.ts';
import { eachLongRun, hasLongRun, type Progress, tryToken } from './tokens.ts';
import { type Reading, readingsOf } from './views/decoders.ts';

/** No rule hides anything shorter than this, so shorter texts are not looked at. */
const SHORTEST_TEXT = 6;

/** What JSON may begin with (RFC 8259, section 2). */
const MAY_BE_JSON = '{[ \t\r\n';

/** Runs of token characters from which on shapes and encoded text are looked for. */
const LONG_RUN = 16;

/** Longest run in which shapes are looked for: no secret without a literal is longer, data is. */
const LONGEST_SHAPED_RUN = 512;

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface Scanned {
  /** Unordered; may overlap. */
  readonly hits: readonly Hit[];
  /** Placeholders already there, in order. */
  readonly shields: readonly Stretch[];
  /** Runs of token characters that may be text in base64, in order. */
  readonly encoded: readonly Stretch[];
  /** Which of the marks occur in the text, as bits. */
  readonly marks: number;
}

/** Finds the secrets of one text as it stands. */
export interface Scanner {
  scan(text: string): Scanned;
  /** The same without the hits: what is hidden already, what may be encoded, and the marks. */
  scanNotations(text: string): Scanned;
  /** The ways to read a text with these marks other than as it stands. */
  readings(text: string, marks: number): readonly Reading[];
  /** The hits of rank 2 and 3 alone: what has a form of its own. */
  scanForForms(text: string): readonly Hit[];
  /** True only when `scan` certainly finds nothing in the text, and the text is no JSON. Most strings are such. */
  isQuiet(text: string): boolean;
}

const NOTHING: readonly never[] = [];
export const NOTHING_FOUND: Scanned = { hits: NOTHING, shields: NOTHING, encoded: NOTHING, marks: 0 };

const PLACEHOLDER_START = '[secret:';
const CUT_SECRET = 'cut-secret';
/** Names what was hidden without a look, because too much of a value had to be hidden already. */
export const UNREAD = 'unread';

/** What is found on the way; lists are made when there is something to put in. */
interface Findings {
  hits: Hit[] | null;
  /** Nothing more is looked at. */
  isFull: boolean;
  shields: Stretch[] | null;
  encoded: Stretch[] | null;
  /** By rule number. */
  progress: Map<number, Progress> | null;
  /** By rule number. */
  opened: Map<number, (start: number, end: number) => void> | null;
}

export function createScanner(
  {
    anchored,
    shapes,
    texts,
  }: {
    readonly anchored: AnchoredRules;
    /** Tried on long runs of token characters. */
    readonly shapes: readonly ShapeRule[];
    /** Tried on the whole text. */
    readonly texts: readonly ShapeRule[];
  },
  effort: Effort,
): Scanner {
  const { tokens, contexts, index, lengths, rulesOf, prefixEnds } = anchored;
  const names: ReadonlySet<string> = new Set([
    ...tokens.map((rule) => rule.name),
    ...contexts.flatMap((rule) => rule.names),
    ...shapes.map((rule) => rule.name),
    ...texts.map((rule) => rule.name),
    CUT_SECRET,
    UNREAD,
  ]);
  const isQuiet = (text: string): boolean => {
    if (text.length < SHORTEST_TEXT) return true;
    if (texts.length > 0 || MAY_BE_JSON.includes(text[0] as string)) return false;
    return index.marksWithout(text) === 0 && hasOrdinaryRuns(text);
  };
  const scan = (text: string, areFormsAll = false): Scanned => {
    if (text.length < SHORTEST_TEXT) return NOTHING_FOUND;
    const marksAlone = index.marksWithout(text);
    if (marksAlone >= 0 && texts.length === 0 && !hasLongRun(text, LONG_RUN)) {
      return marksAlone === 0 ? NOTHING_FOUND : { ...NOTHING_FOUND, marks: marksAlone };
    }
    const found: Findings = { hits: null, isFull: false, shields: null, encoded: null, progress: null, opened: null };
    const report: Report = ({ rule, start, end, rank }) => {
      found.hits ??= [];
      found.isFull = found.hits.length >= effort.hits;
      const last = found.isFull ? text.length : end;
      found.hits.push({ rule, start, end: last, rank, secret: text.slice(start, last) });
    };
    const seen =
      marksAlone >= 0
        ? marksAlone
        : index.find(text, (anchor, end) => {
            if (found.isFull) return;
            const start = end - (lengths[anchor] as number);
            for (const id of rulesOf[anchor] as readonly number[]) {
              if (id < tokens.length) lookForToken(tokens[id] as TokenRule, id, text, start, found, report, effort);
              else if (id < tokens.length + contexts.length) {
                const rule = contexts[id - tokens.length] as ContextRule;
                if (!areFormsAll || rule.isFormed === true)
                  lookAround(rule, id, text, [start, end], found, report, effort);
              } else shieldPlaceholder(text, start, names, found);
            }
          });
    if (text.length >= LONG_RUN) lookAtRuns(text, shapes, prefixEnds, found, report);
    if (texts.length > 0) searchForShapes(text, texts, report);
    if (seen === 0 && found.hits === null && found.encoded === null) return NOTHING_FOUND;
    return {
      hits: found.hits ?? NOTHING,
      shields: found.shields ?? NOTHING,
      encoded: found.encoded ?? NOTHING,
      marks: seen,
    };
  };
  const scanNotations = (text: string): Scanned => ({
    hits: NOTHING,
    shields: shieldsIn(text, names),
    encoded: encodedRuns(text),
    marks: index.marksIn(text),
  });
  const scanForForms = (text: string): readonly Hit[] => scan(text, true).hits.filter(isFormed);
  return { scan: (text) => scan(text), scanNotations, readings: readingsOf, scanForForms, isQuiet };
}

function shieldsIn(text: string, names: ReadonlySet<string>): readonly Stretch[] {
  const shields: Stretch[] = [];
  for (let at = text.indexOf(PLACEHOLDER_START); at !== -1; at = text.indexOf(PLACEHOLDER_START, at + 1)) {
    const shield = placeholderAt(text, at, names);
    if (shield !== null) shields.push(shield);
  }
  return shields;
}

function encodedRuns(text: string): readonly Stretch[] {
  const encoded: Stretch[] = [];
  eachLongRun(text, LONG_RUN, (start, end) => {
    if (textStart(text, start, end) !== -1) encoded.push({ start, end });
  });
  return encoded;
}

const isFormed = ({ rank }: Hit): boolean => rank > 1;

/** Our own event ids are generated, and no rule knows them. */
const EVENT_ID = /ev_[0-9A-Z]{26}(?![A-Za-z0-9+/=_.~-])/y;

/** Whether no run can hold a shape, encoded text or the rest of a cut secret: none is long, or one is the whole text. */
const hasOrdinaryRuns = (text: string): boolean =>
  !hasLongRun(text, LONG_RUN) || (endOfRun(RUN, text, 0) === text.length && isOrdinary(text, 0, text.length));

function isOrdinary(text: string, start: number, end: number): boolean {
  EVENT_ID.lastIndex = start;
  return EVENT_ID.test(text) || (!hasGeneratedPiece(text, start, end) && textStart(text, start, end) === -1);
}

/** Rules that begin with a literal, and the index by which all literals are found in one pass. */
export type AnchoredRules = ReturnType<typeof indexRules>;

/**
 * Makes the index. It takes tens of milliseconds and holds no state, so the scanners of a process share one. Rules are
 * numbered: tokens, then contexts, then the one that knows placeholders.
 */
export function indexRules(
  tokens: readonly TokenRule[],
  contexts: readonly ContextRule[],
  marks: ReadonlyMap<string, number>,
) {
  const byAnchor = new Map<string, number[]>();
  [...tokens, ...contexts, { anchors: [PLACEHOLDER_START] }].forEach(({ anchors }, id) => {
    for (const anchor of anchors) byAnchor.set(anchor, [...(byAnchor.get(anchor) ?? []), id]);
  });
  const anchors = [...byAnchor.keys()];
  return {
    tokens,
    contexts,
    index: createAnchorIndex(anchors, marks),
    lengths: anchors.map((anchor) => anchor.length),
    rulesOf: [...byAnchor.values()],
    prefixEnds: endsOfPrefixes(tokens.flatMap((rule) => rule.anchors)),
  };
}

function lookForToken(
  rule: TokenRule,
  id: number,
  text: string,
  start: number,
  found: Findings,
  report: Report,
  effort: Effort,
): void {
  const before = found.progress?.get(id) ?? null;
  const after = tryToken(rule, text, start, before, report, effort);
  if (after === null || after === before) return;
  found.progress ??= new Map();
  found.progress.set(id, after);
}

function lookAround(
  rule: ContextRule,
  id: number,
  text: string,
  [start, end]: readonly [number, number],
  found: Findings,
  report: Report,
  effort: Effort,
): void {
  found.opened ??= new Map();
  let look = found.opened.get(id);
  if (look === undefined) {
    look = rule.open(text, report, effort);
    found.opened.set(id, look);
  }
  look(start, end);
}

function shieldPlaceholder(text: string, start: number, names: ReadonlySet<string>, found: Findings): void {
  const shield = placeholderAt(text, start, names);
  if (shield === null) return;
  found.shields ??= [];
  found.shields.push(shield);
}

/** Only names of rules count: a secret must not hide by dressing up as something already hidden. */
function placeholderAt(text: string, start: number, names: ReadonlySet<string>): Stretch | null {
  PLACEHOLDER.lastIndex = start;
  const match = PLACEHOLDER.exec(text);
  return match === null || !names.has(match[1] as string) ? null : { start, end: start + match[0].length };
}

/** A cut secret may begin with signs that no run has; its first long run is not far. */
const CUT_WITHIN = 64;

function lookAtRuns(
  text: string,
  shapes: readonly ShapeRule[],
  prefixEnds: ReadonlySet<string>,
  found: Findings,
  report: Report,
): void {
  let isFirst = true;
  eachLongRun(text, LONG_RUN, (start, end) => {
    if (found.isFull) return;
    // A text that is nothing but one run has no cut secret in front of other words.
    if (isFirst && start <= CUT_WITHIN && end - start < text.length) {
      const cut = cutSecretEnd(text, prefixEnds);
      if (cut > 0) report({ rule: CUT_SECRET, start: 0, end: cut, rank: 1 });
    }
    isFirst = false;
    if (textStart(text, start, end) !== -1) {
      found.encoded ??= [];
      found.encoded.push({ start, end });
    }
    if (end - start <= LONGEST_SHAPED_RUN && hasGeneratedPiece(text, start, end)) {
      lookForShapes(text, start, end, shapes, report);
    }
  });
}

/** A shape begins where the run does, behind `=`, or behind the `_` of italics. */
function lookForShapes(text: string, start: number, end: number, shapes: readonly ShapeRule[], report: Report): void {
  for (let at = start; at < end; at += 1) {
    const isBeginning =
      at === start ||
      text[at - 1] === '=' ||
      (text[at - 1] === '_' && (at - 1 === start || !isOf(ALNUM, text, at - 2)));
    if (!isBeginning) continue;
    for (const { name, pattern, accept } of shapes) {
      pattern.lastIndex = at;
      const match = pattern.exec(text);
      if (match !== null && accept(match[0])) report({ rule: name, start: at, end: at + match[0].length, rank: 2 });
    }
  }
}

function searchForShapes(text: string, shapes: readonly ShapeRule[], report: Report): void {
  for (const { name, pattern, accept } of shapes) {
    for (const { 0: secret, index } of text.matchAll(pattern)) {
      if (accept(secret)) report({ rule: name, start: index, end: index + secret.length, rank: 2 });
    }
  }
}

/** Letters and digits in one piece from which on a shape can be there. */
const LEAST_PIECE = 14;

/** A piece of letters and digits that has both: no word, no number. Base64's other two characters do not end it. */
function hasGeneratedPiece(text: string, start: number, end: number): boolean {
  let letters = 0;
  let digits = 0;
  for (let at = start; at < end; at += 1) {
    if (isOf(DIGIT, text, at)) digits += 1;
    else if (isOf(ALNUM, text, at)) letters += 1;
    else if (text[at] !== '+' && text[at] !== '/') {
      letters = 0;
      digits = 0;
    }
    if (letters > 0 && digits > 0 && letters + digits >= LEAST_PIECE) return true;
  }
  return false;
}
