import { toUtf8 } from '../../core/crypto/encoding.ts';

/** The beginning of a text that fits into so many bytes of UTF-8, with a word about what is missing. */
export function cut(text: string, maxBytes: number): string {
  // No character takes more than three bytes a UTF-16 unit.
  if (text.length * 3 <= maxBytes) return text;
  const bytes = toUtf8(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  // 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}\n[cut here: ${bytes.length - end} bytes more]`;
}
