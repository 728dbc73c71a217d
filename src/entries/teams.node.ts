import type { Replier } from '../channels/channel.ts';
import { createTeamsReplier } from '../channels/teams/reply.ts';
import { isLoopback } from '../channels/teams/service-hosts.ts';
import type { TeamsConfig } from '../config/teams.ts';
import { asFetch } from '../workers/outbound/as-fetch.ts';
import { allowEntry } from '../workers/outbound/check-url.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';
import type { Runtime } from './runtime.node.ts';

type Fetch = typeof globalThis.fetch;

/** Posts a tenant's replies through the Bot connector, with a token from its own client. */
export function teamsReplier(tenant: string, teams: TeamsConfig, { sealer, log: logger }: Runtime): Replier {
  const { appId, appPassword, tokenScope: scope, serviceHosts } = teams;
  const tokenUrl = teams.tokenUrl ?? entraTokenUrl(teams.tenantId);
  if (appId !== undefined && appPassword === undefined) {
    logger.warn({ tenant, setting: 'TEAMS_APP_PASSWORD' }, 'reply.no-credentials');
  }
  const hasCredentials = appId !== undefined && appPassword !== undefined;
  return createTeamsReplier({
    ...(hasCredentials && { credentials: { appId, appPassword, scope, tokenUrl, fetch: fetchAllowing([tokenUrl]) } }),
    ...(serviceHosts !== undefined && { serviceHosts }),
    fetch: serviceFetch(serviceHosts ?? []),
    sealer,
    clock: Date.now,
    logger,
  });
}

/** A single-tenant bot gets its token from its own tenant, any other from Bot Framework's. */
const entraTokenUrl = (tenantId = 'botframework.com'): string =>
  `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`;

/** The guarded client. It may reach the hosts of these configured URLs even where they are private. */
function fetchAllowing(urls: readonly string[]): Fetch {
  const allow = urls.map(allowEntry).filter((entry) => entry !== null);
  return asFetch(createGuardedFetch({ resolve: createDnsResolve(), allow }));
}

/**
 * For service URLs, after the replier has held them against the allow-list. What stands there by name was meant, wherever
 * it leads; a loopback host without a port means all of its ports, so each of them gets a client of its own.
 */
function serviceFetch(serviceHosts: readonly string[]): Fetch {
  const named = serviceHosts.filter((host) => !host.startsWith('*.')).map((host) => `https://${host}`);
  const usual = fetchAllowing(named);
  const local = new Map<string, Fetch>();
  return (input, init) => {
    const { origin, hostname } = new URL(String(input));
    if (!isLoopback(hostname)) return usual(input, init);
    const client = local.get(origin) ?? fetchAllowing([origin]);
    local.set(origin, client);
    return client(input, init);
  };
}
