import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../core/logger.ts';
import { createToolboxes } from '../workers/agent/assistant/open-toolbox.ts';
import { asFetch } from '../workers/outbound/as-fetch.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import { replyTool } from '../workers/tools/reply.ts';
import type { Tool } from '../workers/tools/tool.ts';
import { createFolders, type Folders, SWEEP_MS } from '../workers/tools/workspace/folders.ts';
import { createWorkspace } from '../workers/tools/workspace/workspace.ts';
import type { Runtime } from './runtime.node.ts';

/** Toolboxes with the built-in tools, and each tenant's allow-list. */
export function openToolboxes({ config, scrub, metrics, log: logger }: Runtime): ReturnType<typeof createToolboxes> {
  // Without an allow-list: where tools go is chosen by whoever talks to the model.
  const guarded = createGuardedFetch({ resolve: createDnsResolve() });
  const allowed = new Map(
    Object.entries(config.tenants).map(([tenant, { tools }]) => [tenant, tools === undefined ? null : new Set(tools)]),
  );
  return createToolboxes({
    builtIn: [createFetchUrl(guarded) as Tool, replyTool as Tool, ...openWorkspace(config, logger)],
    allowedBy: (tenant) => allowed.get(tenant) ?? null,
    fetch: asFetch(guarded),
    scrub,
    meter: metrics.meter,
    logger,
  });
}

/** Where folders cannot be guarded there is no workspace; an agent that names its tools is then told so at the start. */
function openWorkspace({ tools: { workspace }, store: { dataDir } }: Config, logger: Logger): readonly Tool[] {
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
