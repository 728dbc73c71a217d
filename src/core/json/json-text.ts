import { SallyportError } from '../errors.ts';

/**
 * Deepest nesting accepted. Block Kit's deepest real payload is 12 levels; `JSON.parse` itself takes any depth, but
 * everything that walks the tree afterwards (scrubber, serialisers) would run out of stack around 5,000.
 */
const MAX_DEPTH = 64;

/** `__proto__` in clear, or any ASCII character escaped, which is the only other way to spell it in JSON. */
const maySpellProto = (text: string): boolean => text.includes('__proto__') || text.includes('\\u00');

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** The body as text. @throws SallyportError ERR_BODY_UNPARSABLE when it is not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw unparsable('the body is not UTF-8');
  }
}

/**
 * Parses JSON that came from outside. `__proto__` members are left out, because any later copy by assignment would turn
 * them into a prototype. Of repeated members the last counts.
 * @param extraDepth levels around what a sender wrote, beside the 64 that it may have
 * @throws SallyportError ERR_BODY_UNPARSABLE for anything that is not JSON or is nested deeper than 64 levels
 */
export function parseJsonText(text: string, extraDepth = 0): JsonValue {
  if (isTooDeep(text, MAX_DEPTH + extraDepth)) throw unparsable('the JSON is nested too deeply');
  const value = parseOrThrow(text);
  if (maySpellProto(text)) dropProto(value);
  return value;
}

/**
 * Whether a text has members that what was parsed of it has not: those that are repeated, of which another reader may
 * take another one (RFC 8259, section 4), and those that `parseJsonText` leaves out.
 */
export const hasMembersBeside = (value: JsonValue, text: string): boolean => colonsIn(text) !== membersOf(value);

/**
 * Parses JSON of a caller, who can send it again: members that are repeated, and `__proto__`, are refused instead of
 * leaving it to each reader what they mean.
 * @throws SallyportError ERR_BODY_UNPARSABLE, as `parseJsonText` and for such members anywhere
 */
export function parseUniqueJson(text: string, extraDepth = 0): JsonValue {
  const value = parseJsonText(text, extraDepth);
  if (hasMembersBeside(value, text)) throw unparsable('the JSON repeats a member, or has a member __proto__');
  return value;
}

function colonsIn(text: string): number {
  let colons = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === COLON) colons += 1;
  }
  return colons;
}

/** Each has one colon outside strings. */
function membersOf(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, child) => sum + membersOf(child), own);
}

function parseOrThrow(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the input, so the cause stays here.
    throw unparsable('the body is not JSON');
  }
}

/** Exact for valid JSON; what it makes of anything else does not matter, because parsing fails next. */
function isTooDeep(text: string, maxDepth: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      depth -= 1;
    }
  }
  return false;
}

/** Where the string that opens at `start` closes: most of a payload is strings, and searching skips them. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function dropProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) Reflect.deleteProperty(value, '__proto__');
  for (const child of Object.values(value)) dropProto(child);
}

const unparsable = (message: string): SallyportError => new SallyportError('ERR_BODY_UNPARSABLE', message);

type JsonPrimitive = string | number | boolean | null;
export type JsonValue = JsonPrimitive | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** True for plain objects as `JSON.parse` makes them. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
