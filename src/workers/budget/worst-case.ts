import { toUtf8 } from '../../core/crypto/encoding.ts';

/**
 * What a vendor adds to the input that we do not see: role markers, its own words about tools (Anthropic: up to 804
 * tokens for a tool choice, docs.claude.com "tool use" pricing), the start of the answer.
 */
const OVERHEAD_TOKENS = 1_024;

/** What a tokenizer may turn a text into before it looks at it. */
const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

/**
 * The most tokens a text can be. Every tokenizer in use falls back to bytes, so no token is shorter than one byte of
 * UTF-8; those that normalise first (SentencePiece does) may see a longer text: one U+FDFA becomes 18 letters. Four
 * characters a token, the usual guess, is wrong by a factor of twelve for Thai or emoji.
 */
export function inputTokensAtMost(text: string): number {
  const asSent = toUtf8(text).length;
  // Only ASCII has as many bytes as characters, and no form changes it.
  if (asSent === text.length) return OVERHEAD_TOKENS + asSent;
  return OVERHEAD_TOKENS + Math.max(asSent, ...forms.map((form) => toUtf8(text.normalize(form)).length));
}
