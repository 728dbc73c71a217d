import { isTelling } from './context.ts';
import { isPlainTree, type KnownKeys } from './tree.ts';

/** Deeper trees are left to the walk that keeps its own stack. No channel's payload nests deeper than a fifth of it. */
const DEEPEST = 64;

/**
 * Whether a tree certainly holds nothing to hide: every key is known to be clean and names no value, every string is
 * quiet. Nearly every event is such, and this costs less than the walk, which remembers where it is.
 */
export function isQuietTree(tree: object, isQuiet: (text: string) => boolean, keys: KnownKeys): boolean {
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
