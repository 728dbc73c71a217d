import type { JsonValue } from '../../core/json/json-text.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import { jsonOf } from './arguments.ts';

/** Bytes of a result as JSON that a model gets to read: some 16,000 tokens. */
const MAX_RESULT_BYTES = 64 * 1024;

/** Characters that are scrubbed at most. What is beyond them would be cut anyway. */
const MAX_SCRUBBED_CHARS = 1024 * 1024;

export interface CleanResult {
  readonly value: JsonValue;
}

/**
 * What a tool gave back, scrubbed and then cut, so that no part of a secret stands at the cut. What is too large becomes
 * text with a note of its size. Null for what is no JSON.
 */
export function cleanResult(given: unknown, scrub: Scrub): CleanResult | null {
  const text = jsonOf(given ?? null);
  if (text === undefined) return null;
  const bytes = Buffer.byteLength(text);
  const isHuge = text.length > MAX_SCRUBBED_CHARS;
  const { value } = scrub<JsonValue>(
    isHuge ? (typeof given === 'string' ? given : text).slice(0, MAX_SCRUBBED_CHARS) : JSON.parse(text),
  );
  const whole = typeof value === 'string' ? value : JSON.stringify(value);
  if (!isHuge && Buffer.byteLength(JSON.stringify(value)) <= MAX_RESULT_BYTES) return { value };
  return { value: `${cutToBytes(whole, MAX_RESULT_BYTES)}\n[cut: the whole result has ${bytes} bytes]` };
}

/** The longest beginning of a text that has at most so many bytes as UTF-8. */
export function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.slice(0, maxBytes), 'utf8');
  if (bytes.length <= maxBytes) return bytes.toString('utf8');
  // A character cut in two decodes to replacement characters at the end.
  return new TextDecoder('utf-8').decode(bytes.subarray(0, maxBytes), { stream: true });
}
