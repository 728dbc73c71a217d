import type { InboundEvent } from './event.ts';
import type { JsonValue } from './json/json.ts';

/**
 * The strings by which an event is routed, kept in order and attributed to somebody. They are stored as they are, so that
 * hiding them in the payload would hide nothing, and would take the ids out of it that agents look for.
 */
export function identifiersOf(
  event: Partial<Pick<InboundEvent, 'conversation' | 'author' | 'destination'>>,
): readonly string[] {
  const { conversation, author, destination } = event;
  return [
    ...(conversation === undefined ? [] : [conversation.name]),
    ...stringsOf(author?.id),
    ...stringsOf(destination),
  ];
}

/** Deeper than any destination is. */
const DEEPEST = 4;

function stringsOf(value: JsonValue | undefined, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return [];
  return Object.values(value).flatMap((entry: JsonValue) => stringsOf(entry, depth + 1));
}
