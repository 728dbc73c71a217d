import type { Config } from '../config/schema.ts';
import type { Clients } from '../net/clients.ts';
import { createLinkHosts } from '../workers/guardrails/links/link-hosts.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import type { Tool } from '../workers/tools/tool.ts';

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
