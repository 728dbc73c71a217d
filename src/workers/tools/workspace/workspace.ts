import { existsSync } from 'node:fs';
import { SallyportError } from '../../../core/errors.ts';
import type { Tool } from '../tool.ts';
import { fileTools } from './file-tools.ts';
import { LIMITER } from './run-program.ts';
import { runTool } from './run-tool.ts';
import type { WorkspaceOptions } from './workspace-options.ts';

/**
 * `workspace_read`, `_write`, `_list` and, where programs are configured, `_run`, over a folder for each attempt of a run:
 * made when it is first used, because most runs never do, and removed with everything in it when the run ends.
 * @throws SallyportError ERR_CONFIG_INVALID where folders cannot be guarded (no /proc) or programs not limited
 */
export function createWorkspace(options: WorkspaceOptions): readonly Tool[] {
  const hasPrograms = Object.keys(options.programs).length > 0;
  if (!existsSync('/proc/self/fd')) throw new SallyportError('ERR_CONFIG_INVALID', 'the workspace needs Linux');
  if (hasPrograms && !existsSync(LIMITER)) throw new SallyportError('ERR_CONFIG_INVALID', `${LIMITER} is missing`);
  return hasPrograms ? [...fileTools(options), runTool(options)] : fileTools(options);
}
