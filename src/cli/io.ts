import type { Environment } from '../config/variables.ts';

/** The outside of a command: what it may read and where it may write. */
export interface Io {
  readonly environment: Environment;
  /** Working folder; relative paths start here. */
  readonly folder: string;
  /** Standard input, for commands that take `-`. */
  readonly input: NodeJS.ReadableStream;
  /** Whether standard output is a terminal. */
  readonly isTerminal?: boolean;
  /**
   * Standard output, exactly these characters, for a file that goes on to another program. At a terminal they are made
   * visible like all the rest.
   */
  readonly write: (text: string) => void;
  /** Standard output: results. A line break is added. */
  readonly print: (text: string) => void;
  /** Standard error: progress and problems. A line break is added. */
  readonly complain: (text: string) => void;
}

/**
 * Characters that repaint a terminal, reorder what a reader sees, or are seen by no one: controls (C0, DEL, C1), format
 * characters (bidirectional, zero width, tags), line and paragraph separators, halves of surrogate pairs, and what Unicode
 * has ignored by default. Not line feed and tab, which belong to a layout, and not the two selectors of text and emoji.
 */
const UNSAFE = /(?!\n|\t|\ufe0e|\ufe0f)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** As JSON writes it, so that a string literal with a character in it keeps its meaning. */
const escaped = (char: string): string =>
  [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

/** Text from outside with its unsafe characters as `\uXXXX`. JSON stays JSON of the same value. */
const visible = (text: string): string => text.replace(UNSAFE, escaped);

/**
 * An outside in which nothing that is written can make a terminal show something else than what was written. Whatever a
 * command prints passes here, wherever it came from: commands need not know which of their texts a stranger chose.
 */
export const escapingIo = (io: Io): Io => ({
  ...io,
  write: (text) => io.write(io.isTerminal === true ? visible(text) : text),
  print: (text) => io.print(visible(text)),
  complain: (text) => io.complain(visible(text)),
});

/** Text from outside for a place within a line: it cannot begin another one. */
export const inLine = (text: string): string => visible(text).replace(/[\n\t]/g, escaped);

/** A line of fields from outside, two blanks between them. No field can look like several. */
export const columns = (fields: readonly string[]): string =>
  fields
    .map((field) => inLine(field).replace(/(?<= ) |^ | $/g, escaped))
    .join('  ')
    .trimEnd();

/** Exit codes. 78 is EX_CONFIG of sysexits.h; 2 is the shells' own code for bad usage. */
export const EXIT = { ok: 0, failed: 1, usage: 2, config: 78 } as const;

/** A file that an argument names and that cannot be read. `error` is Node's; its code says why. */
export function unreadableFile(name: string, error: unknown): Exit {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown failure';
  const why = code === 'ENOENT' ? 'there is no such file' : 'the file cannot be read';
  return new Exit(EXIT.usage, inLine(`${name}: ${why} (${code})`));
}

/** Ends a command with a code after one line that says why. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly code: number;

  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}
