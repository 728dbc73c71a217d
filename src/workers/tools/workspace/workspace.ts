import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../../../core/errors.ts';
import type { Tool } from '../tool.ts';
import { fileTools } from './file-tools.ts';
import { LIMITER } from './run-program.ts';
import { runTool } from './run-tool.ts';

export interface WorkspaceOptions {
  /** Where the runs' folders are made. It must be on Linux, and nobody else may write there. */
  readonly parent: string;
  /** Of all files of a run together. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** What `workspace_run` may start: name → absolute path. Empty: there is no such tool. */
  readonly programs: Readonly<Record<string, string>>;
  /** For one program, in ms. */
  readonly programTimeoutMs: number;
}

/** What the tools of a workspace share. */
export interface WorkspaceDeps {
  readonly options: WorkspaceOptions;
  /** The run's folder, made when it is first asked for. */
  readonly root: () => Promise<string>;
}

export interface Workspace {
  /** `workspace_read`, `_write`, `_list` and, where programs are configured, `_run`. */
  readonly tools: readonly Tool[];
  /** Removes the folder with everything in it. */
  close(): Promise<void>;
}

/**
 * A folder for one attempt of one run. Made when it is first used: most runs never do.
 * @throws SallyportError ERR_CONFIG_INVALID where folders cannot be guarded (no /proc) or programs not limited
 */
export function createWorkspace(options: WorkspaceOptions): Workspace {
  const hasPrograms = Object.keys(options.programs).length > 0;
  if (!existsSync('/proc/self/fd')) throw new SallyportError('ERR_CONFIG_INVALID', 'the workspace needs Linux');
  if (hasPrograms && !existsSync(LIMITER)) throw new SallyportError('ERR_CONFIG_INVALID', `${LIMITER} is missing`);
  let made: Promise<string> | undefined;
  const make = async (): Promise<string> => {
    await mkdir(options.parent, { recursive: true, mode: 0o700 });
    return mkdtemp(join(options.parent, 'run-'));
  };
  const root = (): Promise<string> => {
    made ??= make();
    return made;
  };
  const deps: WorkspaceDeps = { options, root };
  return {
    tools: hasPrograms ? [...fileTools(deps), runTool(deps)] : fileTools(deps),
    async close() {
      if (made !== undefined) await rm(await made, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
