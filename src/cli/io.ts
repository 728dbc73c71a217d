import type { Environment } from '../config/environment.ts';

/** The outside of a command: what it may read and where it may write. */
export interface Io {
  readonly environment: Environment;
  /** Working folder; relative paths start here. */
  readonly folder: string;
  /** Standard input, for commands that take `-`. */
  readonly input: NodeJS.ReadableStream;
  /** Standard output, exactly these characters. */
  readonly write: (text: string) => void;
  /** Standard output: results. A line break is added. */
  readonly print: (text: string) => void;
  /** Standard error: progress and problems. A line break is added. */
  readonly complain: (text: string) => void;
}

/** Exit codes. 78 is EX_CONFIG of sysexits.h; 2 is the shells' own code for bad usage. */
export const EXIT = { ok: 0, failed: 1, usage: 2, config: 78 } as const;

/** Ends a command with a code after one line that says why. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly code: number;

  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}
