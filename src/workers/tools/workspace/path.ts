import { ToolRefusal } from '../refusal.ts';

/** Deep enough for any project, shallow enough to walk. */
export const MAX_DEPTH = 16;
/** POSIX NAME_MAX, in bytes. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_CHARS = 1024;

/** Half characters, controls, the backslash and what reorders a reader's line; none of them is in an honest file name. */
const UNCLEAN = /[\p{Cs}\u0000-\u001f\u007f-\u009f\\\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/**
 * The names on the way to a file, below the run's folder. Nothing is resolved or repaired: `a/./b` and `a//b` are refused
 * as `../a` is, because the next reader might read them differently. @throws ToolRefusal
 */
export function readPath(path: string): readonly [string, ...string[]] {
  const [first, ...rest] = path.split('/');
  const names = [first ?? '', ...rest] as const;
  const isClean = path.length <= MAX_PATH_CHARS && names.length <= MAX_DEPTH && !UNCLEAN.test(path);
  if (!isClean || !names.every(isName)) throw new ToolRefusal('the path must be relative, like notes/today.txt');
  return [...names];
}

const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= MAX_NAME_BYTES;
