import { looksRandom } from '../randomness.ts';
import type { ContextRule } from './rule.ts';

/** How far from its key id a secret key is looked for, in characters: the next line of a table or a sentence. */
const NEARBY = 240;

/** A generated value of 28 to 64 characters, alone between blanks, quotes or separators. */
const CANDIDATE = /(?<![A-Za-z0-9+/=_.~-])[A-Za-z0-9+/]{28,64}(?![A-Za-z0-9+/_~-])/g;

/**
 * Clouds hand out key id and secret key together and people paste them together. The id has a form of its own (see the
 * families); the secret (AWS and Google 40 characters of base64, Alibaba 30, Tencent 32) has none, but stands near.
 */
export const companions: ContextRule = {
  names: ['cloud-secret-key'],
  anchors: ['akia', 'asia', 'ltai', 'akid', 'goog1e', 'scw'],
  open(text, report) {
    let searchedTo = 0;
    return (anchorStart, anchorEnd) => {
      if (!/[\dA-Z]/.test(text[anchorEnd] ?? '') || !/[A-Z]/.test(text[anchorStart] as string)) return;
      const from = Math.max(searchedTo, anchorStart - NEARBY);
      const to = Math.min(text.length, anchorEnd + NEARBY);
      searchedTo = to;
      for (const { 0: key, index } of text.slice(from, to).matchAll(CANDIDATE)) {
        const isMixed = /[a-z]/.test(key) && /[A-Z]/.test(key) && /\d/.test(key);
        if (!isMixed || !looksRandom(key, 20)) continue;
        report({ rule: 'cloud-secret-key', start: from + index, end: from + index + key.length, rank: 1 });
      }
    };
  },
};
