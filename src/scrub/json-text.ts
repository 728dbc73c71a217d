import { MANIFEST_SECRET } from './assignment/named.ts';
import { isManifestData, isTelling, NAME_KEY, VALUE_KEY } from './effort.ts';
import type { Cleaned, CleanString } from './tree.ts';

/**
 * JSON inside a string: every string literal of it is cleaned by itself, with its key as context, and everything
 * around stays byte for byte as it was. So valid JSON stays valid JSON of the same shape.
 */
export function jsonSplices(text: string, clean: CleanString): Splice[] {
  const splices: Splice[] = [];
  const stack: Container[] = [];
  const isManifest = SECRET_MANIFEST.test(text);
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '{' || char === '[') stack.push(open(char === '{', stack.at(-1), isManifest));
    else if (char === '}' || char === ']') stack.pop();
    else if (char === ',') expectKey(stack.at(-1));
    else if (char === '"') {
      const end = literalEnd(text, at);
      const cleaned = cleanLiteral(text, at, end, stack.at(-1), clean);
      if (cleaned !== null)
        splices.push({ start: at, end, text: JSON.stringify(cleaned.text), counts: cleaned.counts });
      at = end - 1;
    }
  }
  return splices;
}

/** Whether a text is nothing but a JSON object or list. */
export function isJsonText(text: string): boolean {
  let first = 0;
  while (isBlank(text.charCodeAt(first))) first += 1;
  const unit = text.charCodeAt(first);
  if (unit !== OBJECT && unit !== LIST) return false;
  // A failure to parse costs as much as ten short texts, and every text that was hidden whole begins with a bracket.
  let second = first + 1;
  while (isBlank(text.charCodeAt(second))) second += 1;
  if (!(unit === OBJECT ? '"}' : STARTS).includes(text[second] ?? ' ')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const OBJECT = '{'.charCodeAt(0);
const LIST = '['.charCodeAt(0);

/** What a list's first element, or its end, begins with. */
const STARTS = ']"{[-0123456789tfn';

/** RFC 8259, section 2. */
const isBlank = (unit: number): boolean => unit === 0x20 || (unit >= 9 && unit <= 13);

interface Container {
  readonly isObject: boolean;
  /** What the container itself is called. */
  readonly name: string;
  isKeyNext: boolean;
  key: string;
  /** Holds the data of a Kubernetes Secret. */
  readonly isManifest: boolean;
  /** What stood under `name` or `key` in it, to name what stands under `value`. */
  sibling: string;
}

/** The kind may stand behind the data, so it is looked for first. */
const SECRET_MANIFEST = /"kind"\s{0,8}:\s{0,8}"Secret"/;

function open(isObject: boolean, parent: Container | undefined, isSecret: boolean): Container {
  const name = parent === undefined ? '' : parent.isObject ? parent.key : parent.name;
  const isManifest = isSecret && isObject && isManifestData(name);
  return { isObject, name, isManifest, isKeyNext: isObject, key: '', sibling: '' };
}

function expectKey(container: Container | undefined): void {
  if (container?.isObject === true) container.isKeyNext = true;
}

/** Position after the closing quote. */
function literalEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function cleanLiteral(
  text: string,
  start: number,
  end: number,
  container: Container | undefined,
  clean: CleanString,
): Cleaned | null {
  const inner = text.slice(start + 1, end - 1);
  const content = inner.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : inner;
  if (container?.isKeyNext === true) {
    container.isKeyNext = false;
    container.key = content;
    return clean(content, '', false);
  }
  if (container === undefined) return clean(content, '', false);
  if (!container.isObject) {
    const before = container.sibling;
    container.sibling = content;
    return isTelling(before) ? clean(content, before, true) : clean(content, container.name, false);
  }
  if (NAME_KEY.test(container.key)) container.sibling = content;
  if (container.isManifest) return clean(content, MANIFEST_SECRET, false);
  return clean(content, VALUE_KEY.test(container.key) ? container.sibling || container.name : container.key, false);
}

/** One replacement in a text. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Rules, and how often each hid something here. */
  readonly counts: ReadonlyMap<string, number>;
}

/** `splices` are in order and do not overlap. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  // Joined from pieces: a text grown by additions is slower to read for ever after.
  const pieces: string[] = [];
  let from = 0;
  for (const splice of splices) {
    pieces.push(text.slice(from, splice.start), splice.text);
    from = splice.end;
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

/** Where a position of the changed text was before; one inside a replacement was where that began. */
export function positionBefore(splices: readonly Splice[], after: number): number {
  let shift = 0;
  for (const { start, end, text } of splices) {
    if (start + shift > after) break;
    if (start + shift + text.length > after) return start;
    shift += text.length - (end - start);
  }
  return after - shift;
}
