/** A text in every form in which payloads carry words: values, keys, JSON inside a string, base64, lists. */
export const wordsOf = (text: string): Record<string, unknown> => ({
  title: text,
  fallback: text,
  fields: [{ title: text, value: text }, [text]],
  [text]: text,
  note: JSON.stringify({ deep: { words: text, [text]: [text] } }),
  wrapped: Buffer.from(text).toString('base64'),
});
