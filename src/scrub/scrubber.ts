import type { Crypto } from '../core/crypto.ts';
import { type Effort, fullEffort, isSpent, renew } from './effort.ts';
import { createPlaceholder } from './placeholder.ts';
import { isQuietTree } from './quiet-tree.ts';
import { contextRules, shapeRules, tokenRules } from './rules/all.ts';
import { financialRules } from './rules/financial.ts';
import { createScanner, type Scanner } from './scan.ts';
import type { Finding, Scrub } from './scrub.ts';
import { createTextCleaner, type TextCleaner } from './text.ts';
import { cleanTree, type KnownKeys } from './tree.ts';
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
  const clean = createTextCleaner(scanner, createPlaceholder(deps.crypto, deps.key), effort);
  const keys: KnownKeys = new Map();
  const quiet = createQuiet(scanner.isQuiet, clean);
  const begin = (): void => {
    if (isSpent(effort)) keys.clear();
    renew(effort);
    quiet.begin();
  };
  return (value) => {
    begin();
    return typeof value === 'object' && value !== null && isQuietTree(value, quiet.isQuiet, keys)
      ? { value, findings: NONE }
      : cleanTree(value, clean, keys);
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

/** The part of the scrubber that deals with one string. */
export function createCleaner(deps: ScrubberDeps): TextCleaner {
  const effort = fullEffort();
  const clean = createTextCleaner(scannerOf(deps, effort), createPlaceholder(deps.crypto, deps.key), effort);
  return (...string) => {
    renew(effort);
    return clean(...string);
  };
}

function scannerOf({ optional }: ScrubberDeps, effort: Effort): Scanner {
  const texts = optional?.financial === true ? financialRules : [];
  return createScanner({ tokens: tokenRules, contexts: contextRules, shapes: shapeRules, texts }, decoderMarks, effort);
}
