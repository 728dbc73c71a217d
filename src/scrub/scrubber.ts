import type { Crypto } from '../core/crypto.ts';
import { createPlaceholder } from './placeholder.ts';
import { contextRules, shapeRules, tokenRules } from './rules/all.ts';
import { createScanner } from './scan.ts';
import type { Scrub } from './scrub.ts';
import { createTextCleaner } from './text.ts';
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

/** @example createScrubber({ crypto, key })({ text: 'my password is hunter2' }).value.text */
export function createScrubber({ crypto, key }: ScrubberDeps): Scrub {
  const scanner = createScanner({ tokens: tokenRules, contexts: contextRules, shapes: shapeRules }, decoderMarks);
  const { clean } = createTextCleaner(scanner, createPlaceholder(crypto, key));
  return (value) => cleanTree(value, clean);
}
