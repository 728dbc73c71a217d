import type { Hit } from './rules/rule.ts';
import type { Stretch } from './scan.ts';

/**
 * Stretches in order and without overlaps: overlapping ones become one, named by the highest-ranked, then the longest.
 * What is already hidden stays as it is, but protects nothing around it.
 */
export function resolve(hits: readonly Hit[], shields: readonly Stretch[]): Hit[] {
  const merged: Hit[] = [];
  let last: Hit | undefined;
  for (const hit of [...hits].sort((a, b) => a.start - b.start)) {
    if (last !== undefined && hit.start < last.end) {
      last = union(last, hit);
      merged[merged.length - 1] = last;
    } else {
      last = hit;
      merged.push(hit);
    }
  }
  return shields.length === 0 ? merged : withoutShields(merged, shields);
}

/** Both are in order. */
function withoutShields(hits: readonly Hit[], shields: readonly Stretch[]): Hit[] {
  const parts: Hit[] = [];
  let next = 0;
  for (const hit of hits) {
    let start = hit.start;
    while ((shields[next]?.end ?? Number.POSITIVE_INFINITY) <= start) next += 1;
    for (let i = next; i < shields.length && (shields[i] as Stretch).start < hit.end; i += 1) {
      const shield = shields[i] as Stretch;
      if (shield.start > start) parts.push({ ...hit, start, end: shield.start });
      start = shield.end;
    }
    if (start < hit.end) parts.push({ ...hit, start });
  }
  return parts;
}

function union(a: Hit, b: Hit): Hit {
  if (b.end <= a.end && (b.rank < a.rank || b.end - b.start <= a.end - a.start) && b.rank <= a.rank) return a;
  const named = b.rank > a.rank || (b.rank === a.rank && b.end - b.start > a.end - a.start) ? b : a;
  return { ...named, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}
