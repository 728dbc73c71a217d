import { isJsonObject, type JsonValue } from './json-text.ts';

/**
 * The one way to write a JSON value: RFC 8785 (JCS). No white space, keys sorted by their UTF-16 code units, strings and
 * numbers as ECMAScript writes them. The same value has the same bytes in every language.
 */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as JsonValue)}`);
  return `{${members.join(',')}}`;
}
