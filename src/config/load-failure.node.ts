import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { SallyportError } from '../core/errors.ts';
import { codeFrame, type Position } from './code-frame.ts';

/** What went wrong in a configuration file. */
export interface LoadFailure {
  /** Where, in a file of the operator's own; null where that is unknown. */
  readonly place: (Position & { readonly path: string }) | null;
  /** The kind of error, e.g. `TypeError`. */
  readonly name: string;
  /** What the error says and what to do about it. It may quote anything: scrub it before it is shown. */
  readonly message: string;
  /** The lines of the file that lead there. Scrub them before they are shown. */
  readonly frame: readonly string[];
}

/** A configuration file that cannot be used. Its own message quotes nothing of the file; `failure` does. */
export class ConfigFileError extends SallyportError {
  readonly failure: LoadFailure | null;

  constructor(message: string, failure: LoadFailure | null = null, cause?: unknown) {
    super('ERR_CONFIG_INVALID', message, { cause });
    this.failure = failure;
  }
}

/** A file as the loader runs it, with a source map at its end; for bad syntax, a report of it instead. */
export type Transform = (source: string, path: string) => string;

/** Explains what was thrown while the file at `path` was loaded. `isTransformed`: not by Node itself. */
export function explainFailure(error: unknown, path: string, parse: Transform, isTransformed: boolean): LoadFailure {
  if (!(error instanceof Error)) {
    return { place: null, name: 'Error', message: 'something was thrown that is no Error', frame: [] };
  }
  return (
    missingModule(error, path) ??
    syntaxFailure(error, path) ??
    (error instanceof SyntaxError ? syntaxOf(path, parse) : null) ??
    thrown(error, path, isTransformed ? parse : null)
  );
}

const MISSING = /^Cannot find (?:module|package) '([^'\n]+)'(?: imported from (\S+))?/;

function missingModule(error: Error, path: string): LoadFailure | null {
  const [, name, importedFrom] = MISSING.exec(error.message) ?? [];
  if (name === undefined) return null;
  const stack: unknown = Reflect.get(error, 'requireStack');
  const first = Array.isArray(stack) && typeof stack[0] === 'string' ? stack[0] : path;
  const importer = importedFrom ?? first;
  const isFile = name.startsWith('.') || isAbsolute(name);
  const specifier = isAbsolute(name) ? dotted(relative(dirname(importer), name)) : name;
  const source = textOf(importer);
  const index = Math.max(...[`'${specifier}'`, `"${specifier}"`].map((quoted) => source.indexOf(quoted)));
  const remedy = isFile ? 'there is no such file' : `run npm install ${packageOf(name)}`;
  const message = `cannot find ${isFile ? specifier : `the package ${packageOf(name)}`}: ${remedy}`;
  return failureAt(importer, index < 0 ? null : positionAt(source, index), 'Error', message);
}

const dotted = (path: string): string => (path.startsWith('.') ? path : `./${path}`).split(sep).join('/');

/** `@scope/name/path` → `@scope/name`. */
const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/** How a line of a stack trace ends, and what the loader's parser says in the end. */
const PLACE = /:(\d{1,9}):(\d{1,9})$/;

const PARSE_ERROR = 'ParseError: ';

/** The loader's parser says what is wrong, and on a line of its own where. */
function syntaxFailure(error: Error, path: string): LoadFailure | null {
  if (!error.message.startsWith(PARSE_ERROR)) return null;
  const [message = '', ...others] = error.message.slice(PARSE_ERROR.length).split('\n');
  const where = others.at(-1)?.trim() ?? '';
  const [ending = '', line, column] = PLACE.exec(where) ?? [];
  const file = where.slice(0, where.length - ending.length) || path;
  // The parser counts columns from 0.
  const position = ending === '' ? null : { line: Number(line), column: Number(column) + 1 };
  return failureAt(file, position, 'SyntaxError', message.trim(), true);
}

/** How the loader reports bad syntax to the code that it would run. */
const REPORT = '__JITI_ERROR__ = ';

const report = z.object({ message: z.string(), line: z.number(), column: z.number() });

/** Node says what is wrong with a module's syntax, and not where. */
function syntaxOf(path: string, transform: Transform): LoadFailure | null {
  const text = transform(textOf(path), path);
  const from = text.indexOf(REPORT);
  if (from < 0) return null;
  const { message, line, column } = report.parse(
    JSON.parse(text.slice(from + REPORT.length, text.lastIndexOf('}') + 1)),
  );
  return failureAt(path, { line, column: column + 1 }, 'SyntaxError', message, true);
}

/** Something that the file's own code, or what it called, has thrown. */
function thrown(error: Error, path: string, transform: Transform | null): LoadFailure {
  for (const { file, ...position } of placesOf(error.stack ?? '')) {
    if (!isOwn(file, path)) continue;
    const source = transform === null ? position : originalOf(file, position, transform);
    return failureAt(file, source, nameOf(error), withoutJson(error));
  }
  return { place: null, name: nameOf(error), message: withoutJson(error), frame: [] };
}

const STACK_LINE = '    at ';

/** The files of a stack trace, whose lines are `at name (file:line:column)`, or the same without a name. */
function* placesOf(
  stack: string,
): Generator<{ readonly file: string; readonly line: number; readonly column: number }> {
  for (const text of stack.split('\n')) {
    if (!text.startsWith(STACK_LINE)) continue;
    const isNamed = text.endsWith(')');
    const call = isNamed
      ? text.slice(text.lastIndexOf('(') + 1, -1)
      : text.slice(STACK_LINE.length).replace(/^async /, '');
    const [ending = '', line, column] = PLACE.exec(call) ?? [];
    const where = call.slice(0, call.length - ending.length);
    const file = where.startsWith('file:') ? fileURLToPath(where.split('?')[0] ?? where) : where;
    if (ending !== '') yield { file, line: Number(line), column: Number(column) };
  }
}

/** A name is shown as it is, so it must look like one. */
const nameOf = ({ name }: Error): string => (/^[A-Za-z]{1,40}$/.test(name) ? name : 'Error');

/** What `JSON.parse` throws quotes the text it was given. */
const withoutJson = ({ message }: Error): string =>
  / JSON\b/.test(message) ? 'text that was parsed is not JSON' : message;

/** Whether the operator wrote a file: the configuration, or what lies in its folder. Not a package, and not this one. */
const isOwn = (file: string, path: string): boolean =>
  file === path ||
  (file.startsWith(dirname(path) + sep) &&
    !file.includes(`${sep}node_modules${sep}`) &&
    dirname(file) !== import.meta.dirname);

/** The loader keeps lines; columns move, and on the first line it puts code of its own before the file's. */
function originalOf(file: string, { line, column }: Position, transform: Transform): Position {
  const [, encoded] = /sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)/.exec(
    line === 1 ? '' : transform(textOf(file), file),
  ) ?? ['', undefined];
  if (encoded === undefined || column === undefined) return { line };
  const map = new SourceMap(JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')));
  const entry = map.findEntry(line - 1, column - 1);
  return 'originalLine' in entry && entry.originalLine === line - 1
    ? { line, column: entry.originalColumn + 1 }
    : { line };
}

/** Where broken JSON breaks off. What the engine says of it may quote the text, which may be a secret. */
export function jsonFailure(error: unknown, path: string): LoadFailure {
  const source = textOf(path);
  return failureAt(path, positionAt(source, brokenAt(source, messageOf(error))), 'SyntaxError', '', true);
}

/** The index of the first character that cannot stand where it does. */
function brokenAt(source: string, message: string): number {
  const [, index] = /position (\d+)/.exec(message) ?? [];
  if (index !== undefined) return Number(index);
  if (!UNEXPECTED.test(message)) return source.trimEnd().length;
  // Without a position it is the last character of the shortest beginning that fails in the same way.
  let least = 1;
  let most = source.length;
  while (least < most) {
    const middle = (least + most) >> 1;
    if (isUnexpectedIn(source.slice(0, middle))) most = middle;
    else least = middle + 1;
  }
  return least - 1;
}

const UNEXPECTED = /^Unexpected token/;

function isUnexpectedIn(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return UNEXPECTED.test(messageOf(error));
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');

function failureAt(
  path: string,
  position: Position | null,
  name: string,
  message: string,
  isBroken = false,
): LoadFailure {
  if (position === null) return { place: null, name, message, frame: [] };
  return { place: { path, ...position }, name, message, frame: codeFrame(textOf(path), position, isBroken) };
}

function positionAt(source: string, index: number): Position {
  const before = source.slice(0, index).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
