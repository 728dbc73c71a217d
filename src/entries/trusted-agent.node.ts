import type { AgentDefinitionConfig } from '../config/agent.ts';
import type { Agent } from '../workers/agent/agent.ts';
import type { BoltDeps } from '../workers/agent/bolt/agent.ts';
import { allowEntry } from '../workers/outbound/check-url.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';
import type { Runtime } from './runtime.node.ts';

/** Slack's own; anything else stands in for it. */
const SLACK_API_URL = 'https://slack.com/api/';

/** An adapter that gets the capabilities of its events. What it spends is its own affair, so its runs cost nothing here. */
export function trustedAgent({ name, trusted }: AgentDefinitionConfig, runtime: Runtime): Agent {
  const { config, sealer, log: logger } = runtime;
  const urls = Object.values(config.tenants).flatMap(({ slack }) => slack?.apiUrl ?? []);
  const slackApiUrl = urls.find((url) => url !== SLACK_API_URL);
  const allow = [allowEntry(slackApiUrl ?? SLACK_API_URL)].filter((entry) => entry !== null);
  const deps: BoltDeps = {
    open({ tenant, id: eventId, sealed }, capability) {
      const text = sealed[capability];
      return text === undefined ? null : sealer.open(text, { tenant, eventId, name: capability });
    },
    fetch: createGuardedFetch({ resolve: createDnsResolve(), allow }),
    slackApiUrl,
    logger,
  };
  const open = trusted as (given: BoltDeps) => Pick<Agent, 'run'>;
  return { name, isFree: true, run: open(deps).run };
}
