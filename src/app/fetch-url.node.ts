import type { Config } from '../config/schema.ts';
import { createDnsResolve } from '../net/guard/resolve.ts';
import { createGuardedFetch } from '../net/guarded-fetch.ts';
import { createLinkHosts } from '../workers/guardrails/links/link-hosts.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import type { Tool } from '../workers/tools/tool.ts';

/** `fetch_url` as each agent has it: with a client of its own, which asks the hosts listed for it or, without a list, every public one. */
export function fetchUrlTools({ agents, tools }: Pick<Config, 'agents' | 'tools'>): (agent: string) => Tool {
  const made = new Map<string, Tool>();
  return (agent) => {
    const tool = made.get(agent) ?? open(agents.find(({ name }) => name === agent)?.fetchUrl ?? tools.fetchUrl);
    made.set(agent, tool);
    return tool;
  };
}

function open({ hosts }: Config['tools']['fetchUrl']): Tool {
  const limits = hosts === undefined ? {} : { isListed: createLinkHosts(hosts) };
  return createFetchUrl(createGuardedFetch({ resolve: createDnsResolve(), ...limits }), hosts) as Tool;
}
