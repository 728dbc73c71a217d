import type { SlackConfig } from '../channels/slack/settings.ts';
import type { Config } from '../config/schema.ts';
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
  const open = trusted as (given: BoltDeps) => Pick<Agent, 'run'>;
  return { name, isFree: true, run: open(deps).run };
}

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
