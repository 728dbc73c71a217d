import type { Replier } from '../channels/channel.ts';
import { createTeamsReplier } from '../channels/teams/reply/reply.ts';
import { isLoopback } from '../channels/teams/reply/service-hosts.ts';
import type { TeamsConfig } from '../channels/teams/settings.ts';
import type { Clients } from '../net/clients.ts';
import type { Runtime } from './runtime.node.ts';
import { teamsCredentials } from './teams-credentials.node.ts';

type Fetch = typeof globalThis.fetch;

/** Posts a tenant's replies through the Bot connector, with a token from its own client. */
export function teamsReplier(
  tenant: string,
  teams: TeamsConfig,
  { clients, config, sealer, log: logger }: Runtime,
): Replier {
  const { appId, appPassword, serviceHosts } = teams;
  if (appId !== undefined && appPassword === undefined) {
    logger.warn({ tenant, setting: 'TEAMS_APP_PASSWORD' }, 'reply.no-credentials');
  }
  const credentials = teamsCredentials(teams, clients);
  return createTeamsReplier({
    ...(credentials !== null && { credentials }),
    ...(serviceHosts !== undefined && { serviceHosts }),
    fetch: serviceFetch(serviceHosts ?? [], config.worker.replyTimeout, clients),
    sealer,
    clock: Date.now,
    logger,
  });
}

/**
 * For service URLs, after the replier has held them against the allow-list. What stands there by name was meant, wherever
 * it leads; a loopback host without a port means all of its ports, so each of them gets a client of its own.
 */
function serviceFetch(serviceHosts: readonly string[], timeoutMs: number, clients: Clients): Fetch {
  const open = (urls: readonly string[]): Fetch => clients.open('vendor', urls, { timeoutMs }).fetch;
  const named = serviceHosts.filter((host) => !host.startsWith('*.')).map((host) => `https://${host}`);
  const usual = open(named);
  const local = new Map<string, Fetch>();
  return (input, init) => {
    const { origin, hostname } = new URL(String(input));
    if (!isLoopback(hostname)) return usual(input, init);
    const client = local.get(origin) ?? open([origin]);
    local.set(origin, client);
    return client(input, init);
  };
}
