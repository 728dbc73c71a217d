import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import { createAccessTokens } from '../../net/client-credentials.ts';
import type { NodeHalf } from '../module.node.ts';
import type { OpenFetch } from '../module.ts';
import { teamsReader } from './read/reader.ts';
import { createTeamsReplier } from './reply/reply.ts';
import { isLoopback } from './reply/service-hosts.ts';
import type { TeamsConfig } from './settings.ts';

type Fetch = typeof globalThis.fetch;

export const teamsNode: NodeHalf<TeamsConfig> = {
  /** Posts a tenant's replies through the Bot connector, with a token from its own client. */
  open(teams, { tenant, openFetch, replyTimeoutMs, sealer, clock, logger, isStandIn }) {
    const { appId, appPassword, serviceHosts } = teams;
    if (appId !== undefined && appPassword === undefined && isStandIn !== true) {
      logger.warn({ tenant, setting: 'TEAMS_APP_PASSWORD' }, 'reply.no-credentials');
    }
    const credentials = credentialsOf(teams, openFetch);
    const replier = createTeamsReplier({
      ...(credentials !== null && { credentials }),
      ...defined({ serviceHosts }),
      fetch: serviceFetch(serviceHosts ?? [], replyTimeoutMs, openFetch),
      sealer,
      clock,
      logger,
    });
    return { reader: teamsReader, replier };
  },
  checks: (teams, { tenant, openFetch, clock }) => [
    {
      name: `teams (${tenant})`,
      async run() {
        const credentials = credentialsOf(teams, openFetch);
        if (credentials === null) return null;
        const outcome = await createAccessTokens({ ...credentials, clock }).get();
        if (outcome.kind === 'ok') return 'accepted';
        const isRefused = outcome.kind === 'rejected';
        throw new SallyportError(
          isRefused ? 'ERR_REPLY_REJECTED' : 'ERR_REPLY_UNAVAILABLE',
          isRefused
            ? 'TEAMS_APP_ID, TEAMS_APP_PASSWORD: Microsoft does not accept them'
            : 'TEAMS_TOKEN_URL: it gives no token now',
          { reason: outcome.why },
        );
      },
    },
  ],
  sample: async () => (await import('./sample.node.ts')).teamsSample,
  onboarding: async () => (await import('./onboarding.node.ts')).teamsOnboarding,
};

/** What a bot gets its own token with; null without a password: then it only listens. */
function credentialsOf(
  { appId, appPassword, tokenScope: scope, tenantId, tokenUrl: given }: TeamsConfig,
  openFetch: OpenFetch,
) {
  if (appId === undefined || appPassword === undefined) return null;
  const tokenUrl = given ?? entraTokenUrl(tenantId);
  return { clientId: appId, clientSecret: appPassword, scope, tokenUrl, fetch: openFetch([tokenUrl]) };
}

/** A single-tenant bot gets its token from its own tenant, any other from Bot Framework's. */
const entraTokenUrl = (tenantId = 'botframework.com'): string =>
  `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`;

/**
 * For service URLs, after the replier has held them against the allow-list. What stands there by name was meant, wherever
 * it leads; a loopback host without a port means all of its ports, so each of them gets a client of its own.
 */
function serviceFetch(serviceHosts: readonly string[], timeoutMs: number, openFetch: OpenFetch): Fetch {
  const named = serviceHosts.filter((host) => !host.startsWith('*.')).map((host) => `https://${host}`);
  const usual = openFetch(named, { timeoutMs });
  const local = new Map<string, Fetch>();
  return (input, init) => {
    const { origin, hostname } = new URL(String(input));
    if (!isLoopback(hostname)) return usual(input, init);
    const client = local.get(origin) ?? openFetch([origin], { timeoutMs });
    local.set(origin, client);
    return client(input, init);
  };
}
