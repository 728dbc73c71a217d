import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../core/logger.ts';
import type { Tool } from '../workers/tools/tool.ts';
import { createFolders, type Folders, SWEEP_MS } from '../workers/tools/workspace/folders.ts';
import { createWorkspace } from '../workers/tools/workspace/workspace.ts';

/** Where folders cannot be guarded there is no workspace; an agent that names its tools is then told so at the start. */
export function openWorkspace({ tools: { workspace }, store: { dataDir } }: Config, logger: Logger): readonly Tool[] {
  if (process.platform !== 'linux') return [];
  const { folder = join(dataDir, 'workspaces'), size, files, programs, timeout } = workspace;
  const folders = createFolders(folder);
  keepSwept(folders, logger);
  return createWorkspace({ folders, maxBytes: size, maxFiles: files, programs, programTimeoutMs: timeout });
}

/** Removes what dead workers left, now and as long as the process lives. */
function keepSwept(folders: Folders, logger: Logger): void {
  const sweep = async (): Promise<void> => {
    const { removed, left } = await folders.sweep();
    if (removed + left > 0) logger.info({ removed, left }, 'workspace.swept');
  };
  const sweepOrSay = () => sweep().catch((error: unknown) => logger.warn({ error }, 'workspace.not-swept'));
  void sweepOrSay();
  setInterval(sweepOrSay, SWEEP_MS).unref();
}
