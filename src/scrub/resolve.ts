import type { Hit } from './rules/rule.ts';
import type { Stretch } from './scan.ts';

/**
 * Stretches in order and without overlaps: overlapping ones become one, named by the highest-ranked, then the longest.
 * What is already hidden stays as it is, but protects nothing around it.
 */
export function resolve(hits: readonly Hit[], shields: readonly Stretch[]): Hit[] {
  const merged: Hit[] = [];
  for (const hit of [...hits].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last === undefined || hit.start >= last.end) merged.push(hit);
    else merged[merged.length - 1] = union(last, hit);
  }
  return shields.length === 0 ? merged : merged.flatMap((hit) => without(hit, shields));
}

function union(a: Hit, b: Hit): Hit {
  const named = b.rank > a.rank || (b.rank === a.rank && b.end - b.start > a.end - a.start) ? b : a;
  return { ...named, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

/** `shields` are in order. */
function without(hit: Hit, shields: readonly Stretch[]): Hit[] {
  const parts: Hit[] = [];
  let start = hit.start;
  for (const shield of shields) {
    if (shield.end <= start) continue;
    if (shield.start >= hit.end) break;
    if (shield.start > start) parts.push({ ...hit, start, end: shield.start });
    start = shield.end;
  }
  if (start < hit.end) parts.push({ ...hit, start });
  return parts;
}
