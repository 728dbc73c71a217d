import type { Folders } from './folders.ts';

/** A program that `workspace_run` may start. */
export interface Program {
  /** Absolute. */
  readonly path: string;
  /** The options a model may give it, as they are written. */
  readonly options: readonly string[];
}

export interface WorkspaceOptions {
  /** The runs' folders. They must be on Linux, and nobody else may write there. */
  readonly folders: Folders;
  /** Of all files of a run together. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** By the name a model calls them. Empty: there is no such tool. */
  readonly programs: Readonly<Record<string, Program>>;
  /** For one program, in ms. */
  readonly programTimeoutMs: number;
}
