import { SallyportError } from '../core/errors.ts';
import { MANIFEST_SECRET } from './assignment/named.ts';
import { kindOfName } from './assignment/names.ts';
import { isManifestData, isTelling, NAME_KEY, VALUE_KEY } from './effort.ts';
import type { Finding, Scrubbed } from './scrub.ts';

/** What was found in one string: the cleaned text and how often each rule hid something; null when it is clean. */
export interface Cleaned {
  readonly text: string;
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * Cleans one string. `name` is what the value is called (its key), '' when nothing names it; `isLoose` when the two only
 * stand side by side.
 */
export type CleanString = (text: string, name: string, isLoose: boolean) => Cleaned | null;

/** Depth from which on ancestors are remembered, so that a cycle is refused instead of followed for ever. */
const SUSPICIOUS_DEPTH = 500;

/** Longest path reported, in steps; deeper findings end in `…`. A deep tree full of secrets would cost a square. */
const PATH_STEPS = 24;

/** Findings listed one by one; the rest of a tree full of secrets is counted together. */
const MOST_FINDINGS = 1024;

/** One object or array being walked. `copy` exists from its first change on and holds everything before `at`. */
interface Frame {
  readonly parent: Frame | null;
  readonly depth: number;
  /** Below `PATH_STEPS`: the frame at that depth through which it is reached, as far as paths are reported. */
  readonly top: Frame | null;
  /** Its own name in its parent, scrubbed. */
  readonly step: string | number;
  /** What names the strings inside an array: the name of the array itself. */
  readonly name: string;
  readonly source: object;
  readonly keys: readonly string[] | null;
  readonly length: number;
  /** Holds the data of a Kubernetes Secret. */
  readonly isManifest: boolean;
  at: number;
  /** The scrubbed form of the key at `at`. */
  key: string;
  /** By scrubbed key: how often it was taken. */
  taken: Map<string, number> | null;
  copy: Record<string, unknown> | unknown[] | null;
}

/** Keys are few and come again: what is known of one is not found out anew. */
export type KnownKeys = Map<string, KnownKey>;

interface KnownKey {
  readonly isValueKey: boolean;
  /** What the values under it are called: '' when the key tells nothing of them. */
  readonly name: string;
}

/** Keys come from outside; beyond this many, or this long, they are not remembered. */
const MOST_KEYS = 4096;
const LONGEST_KEY = 64;

interface Walk {
  readonly clean: CleanString;
  /** Clean ones only; null where every string is cleaned for what it is, keys and whole numbers included. */
  readonly keys: KnownKeys | null;
  readonly findings: Map<string, Finding>;
  readonly ancestors: Set<object>;
}

/**
 * Applies `clean` to every string and key of a JSON tree. Iterative, because a payload may nest deeper than the stack.
 * Without `keys`, `clean` gets the key itself as the name, and whole numbers as text.
 * @throws SallyportError ERR_INTERNAL when the value contains itself: it is not a JSON tree.
 */
export function cleanTree<T>(value: T, clean: CleanString, keys: KnownKeys | null): Scrubbed<T> {
  const walk: Walk = { clean, keys, findings: new Map(), ancestors: new Set() };
  if (typeof value === 'string') {
    const text = cleanAt(walk, null, '', value, '', false);
    return { value: text as T, findings: [...walk.findings.values()] };
  }
  if (!isPlainTree(value)) return { value, findings: [] };
  const cleaned = walkTree(walk, value);
  return { value: cleaned as T, findings: [...walk.findings.values()] };
}

function walkTree(walk: Walk, root: object): unknown {
  let frame: Frame = openFrame(walk, null, '', '', root);
  for (;;) {
    if (frame.at < frame.length) {
      const child = visit(walk, frame);
      if (child !== null) frame = child;
      continue;
    }
    const done: unknown = frame.copy ?? frame.source;
    if (frame.depth > SUSPICIOUS_DEPTH) walk.ancestors.delete(frame.source);
    if (frame.parent === null) return done;
    frame = frame.parent;
    settle(frame, done);
  }
}

/** Deals with the entry at `frame.at`: a child to descend into, or null when it is settled. */
function visit(walk: Walk, frame: Frame): Frame | null {
  const original = frame.keys === null ? '' : (frame.keys[frame.at] as string);
  const value = entryOf(frame);
  frame.key = frame.keys === null ? '' : cleanKey(walk, frame, original);
  if (typeof value === 'string') {
    settle(frame, cleanValue(walk, frame, original, value));
    return null;
  }
  if (!isPlainTree(value)) {
    settle(
      frame,
      walk.keys === null && Number.isSafeInteger(value) ? cleanNumber(walk, frame, original, value as number) : value,
    );
    return null;
  }
  return openFrame(walk, frame, stepOf(frame), frame.keys === null ? frame.name : original, value);
}

/** What a key is called where nothing but the name of a text would matter. */
const KEY_NAME = 'key';

/** An identifier of one word or two: every secret is longer, or has other signs. */
const PLAIN_KEY = /^[A-Za-z_$][\w$]{0,14}$/;

function cleanKey(walk: Walk, frame: Frame, key: string): string {
  if (walk.keys === null) return cleanAt(walk, frame, KEY, key, KEY_NAME, false);
  if (walk.keys.has(key)) return key;
  const cleaned = PLAIN_KEY.test(key) ? key : cleanAt(walk, frame, KEY, key, '', false);
  if (cleaned === key && key.length <= LONGEST_KEY) {
    if (walk.keys.size >= MOST_KEYS) walk.keys.clear();
    walk.keys.set(key, { isValueKey: VALUE_KEY.test(key), name: kindOfName(key) === null ? '' : key });
  }
  return cleaned;
}

function cleanNumber(walk: Walk, frame: Frame, key: string, value: number): number | string {
  const text = String(value);
  const cleaned = cleanAt(walk, frame, stepOf(frame), text, frame.keys === null ? frame.name : key, false);
  return cleaned === text ? value : cleaned;
}

function cleanValue(walk: Walk, frame: Frame, key: string, value: string): string {
  if (walk.keys === null) {
    return cleanAt(walk, frame, stepOf(frame), value, frame.keys === null ? frame.name : key, false);
  }
  if (frame.keys === null) {
    const before = frame.at === 0 ? null : (frame.source as unknown[])[frame.at - 1];
    const isNamed = typeof before === 'string' && isTelling(before);
    return cleanAt(walk, frame, frame.at, value, isNamed ? before : frame.name, isNamed);
  }
  const known = walk.keys.get(key);
  const isValueKey = known?.isValueKey ?? VALUE_KEY.test(key);
  const name = frame.isManifest ? MANIFEST_SECRET : isValueKey ? nameBeside(frame) : (known?.name ?? key);
  return cleanAt(walk, frame, frame.key, value, name, false);
}

function nameBeside(frame: Frame): string {
  const nameKey = frame.keys?.find((key) => NAME_KEY.test(key));
  const name = nameKey === undefined ? null : (frame.source as Record<string, unknown>)[nameKey];
  return typeof name === 'string' ? name : frame.name;
}

function openFrame(walk: Walk, parent: Frame | null, step: string | number, name: string, source: object): Frame {
  const depth = parent === null ? 0 : parent.depth + 1;
  if (depth > SUSPICIOUS_DEPTH) {
    if (walk.ancestors.has(source)) throw new SallyportError('ERR_INTERNAL', 'a value that contains itself');
    walk.ancestors.add(source);
  }
  const keys = Array.isArray(source) ? null : Object.keys(source);
  const length = keys === null ? (source as unknown[]).length : keys.length;
  const isManifest = parent !== null && isManifestData(name) && isSecretManifest(parent.source);
  const top = depth <= PATH_STEPS ? null : (parent?.top ?? parent);
  return { parent, depth, top, step, name, source, keys, length, isManifest, at: 0, key: '', taken: null, copy: null };
}

function isSecretManifest(source: object): boolean {
  const kind: unknown = Object.hasOwn(source, 'kind') ? (source as { readonly kind: unknown }).kind : null;
  return kind === 'Secret';
}

const stepOf = (frame: Frame): string | number => (frame.keys === null ? frame.at : frame.key);

const entryOf = (frame: Frame): unknown =>
  frame.keys === null
    ? (frame.source as unknown[])[frame.at]
    : (frame.source as Record<string, unknown>)[frame.keys[frame.at] as string];

/** Writes the entry at `frame.at` into the copy, if there is one or now must be one, and moves on. */
function settle(frame: Frame, value: unknown): void {
  const original = frame.keys === null ? '' : (frame.keys[frame.at] as string);
  if (frame.copy === null && (value !== entryOf(frame) || frame.key !== original)) frame.copy = copyBefore(frame);
  if (frame.copy !== null) {
    if (Array.isArray(frame.copy)) frame.copy.push(value);
    else define(frame.copy, freeKey(frame, frame.key, original), value);
  }
  frame.at += 1;
}

function copyBefore(frame: Frame): Record<string, unknown> | unknown[] {
  if (frame.keys === null) return (frame.source as unknown[]).slice(0, frame.at);
  const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(frame.source));
  for (const key of frame.keys.slice(0, frame.at)) define(copy, key, (frame.source as Record<string, unknown>)[key]);
  return copy;
}

/** Two keys may read the same once scrubbed; neither value may be lost. */
function freeKey(frame: Frame, key: string, original: string): string {
  if (key === original) return key;
  frame.taken ??= new Map();
  let times = frame.taken.get(key) ?? 1;
  let free = times === 1 ? key : `${key}~${times}`;
  while (Object.hasOwn(frame.source, free) || Object.hasOwn(frame.copy as object, free)) {
    times += 1;
    free = `${key}~${times}`;
  }
  frame.taken.set(key, times);
  return free;
}

/** Assignment would call the setter that `__proto__` is; JSON.parse makes it an ordinary key, and so does this. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Plain objects and arrays, as JSON has them. Anything else is nobody's tree and passes as it is. */
export function isPlainTree(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Stands for the step to a key, which is shown as it reads once cleaned. */
const KEY = Symbol('key');

function cleanAt(
  walk: Walk,
  frame: Frame | null,
  step: string | number | typeof KEY,
  text: string,
  name: string,
  isLoose: boolean,
): string {
  const cleaned = walk.clean(text, name, isLoose);
  if (cleaned === null) return text;
  const path = walk.findings.size < MOST_FINDINGS ? pathOf(frame, step === KEY ? cleaned.text : step) : '…';
  for (const [rule, count] of cleaned.counts) {
    const known = walk.findings.get(`${rule}\0${path}`);
    walk.findings.set(`${rule}\0${path}`, { rule, path, count: count + (known?.count ?? 0) });
  }
  return cleaned.text;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]{0,63}$/;

function pathOf(frame: Frame | null, last: string | number): string {
  if (frame === null) return '';
  const isDeep = frame.depth >= PATH_STEPS;
  const steps: (string | number)[] = isDeep ? [] : [last];
  for (let at: Frame = frame.top ?? frame; at.parent !== null; at = at.parent) steps.push(at.step);
  const shown = steps.reverse();
  const path = shown.map((step, at) => {
    if (typeof step === 'number') return `[${step}]`;
    if (IDENTIFIER.test(step)) return at === 0 ? step : `.${step}`;
    return `[${JSON.stringify(step.slice(0, 64))}]`;
  });
  return isDeep ? `${path.join('')}…` : path.join('');
}
