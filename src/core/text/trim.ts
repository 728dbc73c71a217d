/** The text without the characters it ends in that are among these. Not a pattern: `x+$` takes the square of its input. */
export function trimEndOf(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}
