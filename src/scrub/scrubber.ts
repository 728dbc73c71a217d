import type { Crypto } from '../core/crypto.ts';
import { createPlaceholder } from './placeholder.ts';
import { contextRules, shapeRules, tokenRules } from './rules/all.ts';
import { financialRules } from './rules/financial.ts';
import { createScanner } from './scan.ts';
import type { Scrub } from './scrub.ts';
import { createTextCleaner, type TextCleaner } from './text.ts';
import { cleanTree } from './tree.ts';
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
  return (value) => cleanTree(value, clean);
}

/** The part of the scrubber that deals with one string. */
export function createCleaner({ crypto, key, optional }: ScrubberDeps): TextCleaner {
  const rules = { tokens: tokenRules, contexts: contextRules, shapes: shapeRules };
  const texts = optional?.financial === true ? financialRules : [];
  return createTextCleaner(createScanner({ ...rules, texts }, decoderMarks), createPlaceholder(crypto, key));
}
