import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json/json-text.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import { Refused } from './refusal.ts';
import type { Tool } from './tool.ts';

/** Bytes of a call's arguments as JSON: a page of prose, or a small file for the workspace. */
const MAX_ARGUMENT_BYTES = 16 * 1024;

/**
 * What a model sent, measured and scrubbed: as the model wrote it, this is journalled and judged. Tools get the scrubbed ones as well: a secret a model was talked into
 * repeating must leave by no tool.
 * @throws Refused
 */
export function readArguments(input: unknown, scrub: Scrub): JsonObject {
  const text = jsonOf(input);
  if (text === undefined) throw new Refused('bad-arguments', 'the arguments are not a JSON object');
  if (Buffer.byteLength(text) > MAX_ARGUMENT_BYTES) {
    throw new Refused('arguments-too-large', `the arguments are larger than ${MAX_ARGUMENT_BYTES} bytes`);
  }
  const { value } = scrub(JSON.parse(text) as JsonValue);
  if (!isJsonObject(value)) throw new Refused('bad-arguments', 'the arguments are not a JSON object');
  return value;
}

/** The arguments as the tool's schema reads them. The message names places, and only those of the schema. @throws Refused */
export function parseArguments<Input>(tool: Tool<Input>, written: JsonValue): Input {
  const parsed = tool.input.safeParse(written);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 5).map(({ path, code }) => `${placeOf(path)}: ${code}`);
  throw new Refused('bad-arguments', `the arguments do not fit the schema (${places.join(', ')})`);
}

/** Only keys of a tool's own schema can be in a path, but a record's keys are the model's: those stay out. */
const placeOf = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? 'arguments' : path.map((part) => (isPlain(part) ? String(part) : '?')).join('.');

const isPlain = (part: PropertyKey): boolean => typeof part === 'number' || /^\w{1,40}$/.test(String(part));

/** Undefined for what is no JSON: cycles, and nesting deeper than the stack. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
