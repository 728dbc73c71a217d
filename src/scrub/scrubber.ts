import type { Crypto } from '../core/crypto/crypto.ts';
import type { Meter } from '../core/meter.ts';
import { type Effort, fullEffort, isSpent, isTelling, renew, repeatEffort, unboundedEffort } from './effort.ts';
import { createKnownValues } from './known-values.ts';
import { createPlaceholder } from './placeholder.ts';
import { cleanRepeatedly, createRepeatCleaner } from './repeats.ts';
import { contextRules, shapeRules, tokenRules } from './rules/all.ts';
import { financialRules } from './rules/financial.ts';
import type { Hit } from './rules/rule.ts';
import { type AnchoredRules, createScanner, indexRules, type Scanner } from './scan.ts';
import type { Finding, Scrub, Scrubbed } from './scrub.ts';
import { type CleanText, createTextCleaner, type OnRound, type TextCleaner } from './text.ts';
import { type Cleaned, cleanTree, isPlainTree, type KnownKeys } from './tree.ts';
import { decoderMarks } from './views/decoders.ts';

export interface ScrubberDeps {
  readonly crypto: Crypto;
  /** Keys the digests in placeholders; any length, 32 bytes recommended. */
  readonly key: Uint8Array;
  /** Rules that are off unless asked for, because what they hide is often meant to be read. */
  readonly optional?: {
    /** Card numbers (Luhn) and IBANs (mod 97). */
    readonly financial?: boolean;
  };
}

/** @example createScrubber({ crypto, key })({ text }).value */
export function createScrubber(deps: ScrubberDeps): Scrub {
  const effort = fullEffort();
  const scanner = scannerOf(deps, effort);
  const placeholder = createPlaceholder(deps.crypto, deps.key);
  const { found, last, forget, listener } = createFound();
  const clean = createTextCleaner(scanner, placeholder, effort, listener);
  const keys: KnownKeys = new Map();
  const quiet = createQuiet(scanner.isQuiet, clean);
  const begin = (): void => {
    if (isSpent(effort)) keys.clear();
    renew(effort);
    quiet.begin();
    forget();
  };
  return (value, options) => {
    begin();
    if (typeof value === 'object' && value !== null && isQuietTree(value, quiet.isQuiet, keys)) {
      return { value, findings: NONE };
    }
    const judged = cleanTree(value, clean, keys);
    if (judged.findings.length === 0) return judged;
    const identifiers = new Set(options?.identifiers);
    const cleaned = cleanRepeatedly(judged, {
      judge: (given) => cleanTree(given, clean, keys),
      known: () => createKnownValues(found, identifiers),
      isSpent: () => isSpent(effort),
      hide: (given, known) => {
        const repeated = createRepeatCleaner(known, { scanner, last: last(), placeholder, effort: repeatEffort() });
        return cleanTree(given, repeated, null);
      },
    });
    forget();
    return cleaned;
  };
}

const NONE: readonly Finding[] = [];

/** Strings remembered, and their longest: what looks encoded and comes with every delivery, like Slack's `event_context`. */
const MOST_TEXTS = 1024;
const LONGEST_TEXT = 256;

/** Strings of one call that are looked at for it: so few leave effort, so that none is remembered that was judged in haste. */
const MOST_LOOKS = 64;

interface Quiet {
  begin(): void;
  /** Quiet, or looked at before and found clean. */
  isQuiet(text: string): boolean;
}

function createQuiet(isQuiet: (text: string) => boolean, clean: TextCleaner): Quiet {
  const known = new Set<string>();
  let looks = 0;
  return {
    begin: () => {
      looks = MOST_LOOKS;
    },
    isQuiet: (text) => {
      if (isQuiet(text) || known.has(text)) return true;
      looks -= 1;
      if (looks < 0 || text.length > LONGEST_TEXT || clean(text, '', false) !== null) return false;
      if (known.size >= MOST_TEXTS) known.clear();
      known.add(text);
      return true;
    },
  };
}

/**
 * The part of the scrubber that deals with one string, however long; `onRound` is called with what each round replaces.
 */
export function createCleaner(deps: ScrubberDeps): (text: string, onRound: OnRound) => string {
  const effort = unboundedEffort();
  const scanner = scannerOf(deps, effort);
  const placeholder = createPlaceholder(deps.crypto, deps.key);
  const { found, last, forget, listener } = createFound();
  const clean = createTextCleaner(scanner, placeholder, effort, listener);
  return (text, onRound) => {
    forget();
    const asScrubbed = (given: string, cleaned: Cleaned | null): Scrubbed<string> =>
      cleaned === null ? { value: given, findings: NONE } : { value: cleaned.text, findings: SOMETHING };
    const judge = (given: string): Scrubbed<string> => asScrubbed(given, clean(given, '', false, onRound));
    return cleanRepeatedly(judge(text), {
      judge,
      known: () => createKnownValues(found, NO_IDENTIFIERS),
      isSpent: () => false,
      hide: (given, known) => {
        const repeated = createRepeatCleaner(known, { scanner, last: last(), placeholder, effort });
        return asScrubbed(given, repeated(given, '', false, onRound));
      },
    }).value;
  };
}

/** What a record's strings gave away so far. */
function createFound() {
  const found: Hit[] = [];
  let last: CleanText | null = null;
  const listener = {
    onHidden: (hit: Hit) => {
      found.push(hit);
    },
    onClean: (clean: CleanText) => {
      last = clean;
    },
  };
  const forget = (): void => {
    found.length = 0;
    last = null;
  };
  return { found, last: () => last, forget, listener };
}

const SOMETHING: readonly Finding[] = [{ rule: '', path: '', count: 1 }];
const NO_IDENTIFIERS: ReadonlySet<string> = new Set();

let anchoredRules: AnchoredRules | undefined;

function scannerOf({ optional }: ScrubberDeps, effort: Effort): Scanner {
  const texts = optional?.financial === true ? financialRules : [];
  anchoredRules ??= indexRules(tokenRules, contextRules, decoderMarks);
  return createScanner({ anchored: anchoredRules, shapes: shapeRules, texts }, effort);
}

/** Deeper trees are left to the walk that keeps its own stack. No channel's payload nests deeper than a fifth of it. */
const DEEPEST = 64;

/**
 * Whether a tree certainly holds nothing to hide: every key is known to be clean and names no value, every string is
 * quiet. Nearly every event is such, and this costs less than the walk, which remembers where it is.
 */
function isQuietTree(tree: object, isQuiet: (text: string) => boolean, keys: KnownKeys): boolean {
  const isQuietValue = (value: unknown, isNamed: boolean, depth: number): boolean => {
    if (typeof value === 'string') return !isNamed && isQuiet(value);
    if (!isPlainTree(value)) return true;
    if (depth > DEEPEST) return false;
    return Array.isArray(value) ? isQuietList(value, isNamed, depth) : isQuietObject(value, depth);
  };

  const isQuietList = (list: readonly unknown[], isNamed: boolean, depth: number): boolean => {
    let before: unknown;
    for (const item of list) {
      if (typeof item === 'string' && typeof before === 'string' && isTelling(before)) return false;
      if (!isQuietValue(item, isNamed, depth + 1)) return false;
      before = item;
    }
    return true;
  };

  const isQuietObject = (object: object, depth: number): boolean => {
    for (const key of Object.keys(object)) {
      const known = keys.get(key);
      if (known === undefined) return false;
      const value = (object as Record<string, unknown>)[key];
      // What such values are called stands beside them, and everything in a Kubernetes Secret is one.
      if ((known.isValueKey && typeof value === 'string') || (key === 'kind' && value === 'Secret')) return false;
      if (!isQuietValue(value, known.name !== '', depth + 1)) return false;
    }
    return true;
  };

  return isQuietValue(tree, false, 0);
}

/**
 * A scrubber that counts what it finds: for what comes in, is read, or goes out. What is scrubbed only to be shown, logged
 * or compared is not counted again.
 */
export const countFindings =
  (scrub: Scrub, meter: Pick<Meter, 'scrubbed'>): Scrub =>
  (value, options) => {
    const scrubbed = scrub(value, options);
    for (const { rule, count } of scrubbed.findings) meter.scrubbed(rule, count);
    return scrubbed;
  };
