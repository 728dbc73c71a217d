import type { Placeholder } from './placeholder.ts';
import type { Scanner } from './scan.ts';
import type { CleanString } from './tree.ts';

/**
 * A replacement can bring new neighbours together, so cleaning is repeated until nothing is found; that also makes it
 * idempotent by construction. Real text needs one round and the look that confirms it.
 */
const ROUNDS = 4;

export function createTextCleaner(scan: Scanner, placeholder: Placeholder): CleanString {
  return (original) => {
    const counts = new Map<string, number>();
    let text = original;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { hits } = scan(text);
      if (hits.length === 0) break;
      let cleaned = '';
      let from = 0;
      for (const { rule, start, end } of hits) {
        cleaned += text.slice(from, start) + placeholder(rule, text.slice(start, end));
        counts.set(rule, (counts.get(rule) ?? 0) + 1);
        from = end;
      }
      text = cleaned + text.slice(from);
    }
    return counts.size === 0 ? null : { text, counts };
  };
}
