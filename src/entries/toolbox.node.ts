import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { createToolboxes } from '../workers/agent/assistant/open-toolbox.ts';
import { asFetch } from '../workers/outbound/as-fetch.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import { replyTool } from '../workers/tools/reply.ts';
import type { Tool } from '../workers/tools/tool.ts';
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
    builtIn: [createFetchUrl(guarded) as Tool, replyTool as Tool, ...openWorkspace(config)],
    allowedBy: (tenant) => allowed.get(tenant) ?? null,
    fetch: asFetch(guarded),
    scrub,
    meter: metrics.meter,
    logger,
  });
}

/** Where folders cannot be guarded there is no workspace; an agent that names its tools is then told so at the start. */
function openWorkspace({ tools: { workspace }, store: { dataDir } }: Config): readonly Tool[] {
  if (process.platform !== 'linux') return [];
  const { folder = join(dataDir, 'workspaces'), size, files, programs, timeout } = workspace;
  return createWorkspace({ parent: folder, maxBytes: size, maxFiles: files, programs, programTimeoutMs: timeout });
}
