import type { Crypto } from '../core/crypto.ts';
import { createPlaceholder } from './placeholder.ts';
import { contextRules, shapeRules, tokenRules } from './rules/all.ts';
import { financialRules } from './rules/financial.ts';
import { createScanner, type Scanner } from './scan.ts';
import type { Scrub } from './scrub.ts';
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
  const clean = createCleaner(deps);
  const keys: KnownKeys = new Map();
  return (value) => cleanTree(value, clean, keys);
}

/** The part of the scrubber that deals with one string. */
export const createCleaner = (deps: ScrubberDeps): TextCleaner =>
  createTextCleaner(scannerOf(deps), createPlaceholder(deps.crypto, deps.key));

function scannerOf({ optional }: ScrubberDeps): Scanner {
  const texts = optional?.financial === true ? financialRules : [];
  return createScanner({ tokens: tokenRules, contexts: contextRules, shapes: shapeRules, texts }, decoderMarks);
}
