import type { SlackConfig } from '../channels/slack/settings.ts';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import type { Clients } from '../net/clients.ts';
import type { Agent } from '../workers/agent.ts';
import type { BoltDeps } from '../workers/agents/bolt/agent.ts';
import type { TenantSlack } from '../workers/agents/bolt/tenant-app.ts';
import type { AgentDefinitionConfig } from '../workers/agents/settings.ts';
import type { Runtime } from './runtime.node.ts';

/** Slack's own; anything else stands in for it. */
const SLACK_API_URL = 'https://slack.com/api/';

/** An adapter that gets the capabilities of its events. What it spends is its own affair, so its runs cost nothing here. */
export function trustedAgent({ name, trusted }: AgentDefinitionConfig, runtime: Runtime): Agent {
  const { clients, config, sealer, log: logger } = runtime;
  const deps: BoltDeps = {
    open({ tenant, id: eventId, sealed }, capability) {
      const text = sealed[capability];
      return text === undefined ? null : sealer.open(text, { tenant, eventId, name: capability });
    },
    slack: slackByTenant(config, clients),
    logger,
  };
  const open = trusted as (given: BoltDeps) => Pick<Agent, 'run' | 'load'>;
  return { name, isFree: true, ...open(deps) };
}

/**
 * Opens every such agent and loads its app, so that a file without one is told of at the start and not with the first event.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
export async function loadTrustedAgents(runtime: Runtime): Promise<ReadonlyMap<string, Agent>> {
  const loaded = new Map<string, Agent>();
  for (const definition of runtime.config.agents) {
    if (definition.trusted === undefined) continue;
    const agent = trustedAgent(definition, runtime);
    await agent.load?.().catch((error: unknown) => {
      throw new SallyportError('ERR_CONFIG_INVALID', `agent ${agent.name}: ${whyOf(error)}`, { cause: error });
    });
    loaded.set(agent.name, agent);
  }
  return loaded;
}

const whyOf = (error: unknown): string => (error instanceof Error ? error.message : 'its app could not be loaded');

/** Each tenant's own address, and a client that may reach it and no other tenant's. */
function slackByTenant({ tenants }: Config, clients: Clients): ReadonlyMap<string, TenantSlack> {
  const found = Object.entries(tenants).flatMap(([tenant, { slack }]) => (slack ? [[tenant, slack] as const] : []));
  const isOneSlack = new Set(found.map(([, { apiUrl }]) => apiUrl)).size === 1;
  const open = (slack: SlackConfig): TenantSlack => {
    return {
      apiUrl: slack.apiUrl === SLACK_API_URL ? undefined : slack.apiUrl,
      fetch: clients.open('vendor', [slack.apiUrl]).request,
      mayHave: (token) => isOneSlack || tokensOf(slack).includes(token),
    };
  };
  return new Map(found.map(([tenant, slack]) => [tenant, open(slack)]));
}

const tokensOf = ({ botToken, installations = [] }: SlackConfig): readonly (string | undefined)[] => [
  botToken,
  ...installations.map((one) => one.botToken),
];
