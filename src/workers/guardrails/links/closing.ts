const MARKS: ReadonlySet<string> = new Set(".,;:!?'*_~");

/** The punctuation a text ends with, which belongs to the sentence and not to the URL. */
export function closingOf(text: string): string {
  let start = text.length;
  while (start > 0 && MARKS.has(text.charAt(start - 1))) start -= 1;
  return text.slice(start);
}
