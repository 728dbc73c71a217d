import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../core/logger.ts';
import type { Clients } from '../net/clients.ts';
import { createToolboxes } from '../workers/agents/assistant/assistant.ts';
import { createLinkHosts } from '../workers/guardrails/links/link-hosts.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import { replyTool } from '../workers/tools/reply.ts';
import type { Tool } from '../workers/tools/tool.ts';
import { createFolders, type Folders, SWEEP_MS } from '../workers/tools/workspace/folders.ts';
import { createWorkspace } from '../workers/tools/workspace/workspace.ts';
import type { Runtime } from './runtime.node.ts';

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

/** `fetch_url` as each agent has it: with a client of its own, which asks the hosts listed for it or, without a list, every public one. */
export function fetchUrlTools(
  { agents, tools }: Pick<Config, 'agents' | 'tools'>,
  clients: Clients,
): (agent: string) => Tool {
  const made = new Map<string, Tool>();
  return (agent) => {
    const tool =
      made.get(agent) ?? open(agents.find(({ name }) => name === agent)?.fetchUrl ?? tools.fetchUrl, clients);
    made.set(agent, tool);
    return tool;
  };
}

function open({ hosts }: Config['tools']['fetchUrl'], clients: Clients): Tool {
  const { request } = clients.openTool(hosts === undefined ? undefined : createLinkHosts(hosts));
  return createFetchUrl(request, hosts) as Tool;
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
