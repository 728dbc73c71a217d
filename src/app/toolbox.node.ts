import { createToolboxes } from '../workers/agents/assistant/open-toolbox.ts';
import { replyTool } from '../workers/tools/reply.ts';
import type { Tool } from '../workers/tools/tool.ts';
import { fetchUrlTools } from './fetch-url.node.ts';
import type { Runtime } from './runtime.node.ts';
import { openWorkspace } from './workspace.node.ts';

/** Toolboxes with the built-in tools, and each tenant's allow-list. */
export function openToolboxes({
  clients,
  config,
  scrub,
  metrics,
  log: logger,
}: Runtime): ReturnType<typeof createToolboxes> {
  // It reaches nothing private: where tools go is chosen by whoever talks to the model.
  const { fetch } = clients.openTool();
  const allowed = new Map(
    Object.entries(config.tenants).map(([tenant, { tools }]) => [tenant, tools === undefined ? null : new Set(tools)]),
  );
  const workspace = openWorkspace(config, logger);
  const fetchUrlOf = fetchUrlTools(config, clients);
  return createToolboxes({
    builtIn: (agent) => [fetchUrlOf(agent), replyTool as Tool, ...workspace],
    allowedBy: (tenant) => allowed.get(tenant) ?? null,
    fetch,
    scrub,
    meter: metrics.meter,
    logger,
  });
}
