import { ToolRefusal } from '../refusal.ts';

/** `--name=` of an option, before the value that may be a path. */
const OPTION = /^--?[A-Za-z0-9][\w-]{0,63}=/;

/** Where a path could begin inside an argument: after anything that is not part of a name. */
const ABSOLUTE_INSIDE = /(?:^|[^\p{L}\p{N}_.-])[/~]/u;
const PARENT = /(?:^|[^\p{L}\p{N}_.-])\.\.(?:$|[^\p{L}\p{N}_.-])/u;
const UNCLEAN = /[\u0000\\]/;

/**
 * Refuses what could name a file outside the folder: absolute paths, also behind an option or inside a list, `..`, home
 * folders, NUL and backslashes. It keeps honest programs inside; a program that takes code (an interpreter) is kept
 * inside by nothing but what the operator starts it with. @throws ToolRefusal
 */
export function checkArguments(given: readonly string[]): void {
  for (const argument of given) {
    const value = argument.replace(OPTION, '');
    const isGlued = value.startsWith('-') && (value.includes('/') || value.includes('..'));
    if (isGlued || UNCLEAN.test(value) || ABSOLUTE_INSIDE.test(value) || PARENT.test(value)) {
      throw new ToolRefusal('arguments may only name files of the workspace, by relative paths');
    }
  }
}
