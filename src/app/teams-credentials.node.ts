import { createAccessTokens } from '../channels/teams/reply/access-token.ts';
import type { TeamsConfig } from '../config/teams.ts';
import { asFetch } from '../net/as-fetch.ts';
import { allowEntry } from '../net/guard/check-url.ts';
import { createDnsResolve } from '../net/guard/resolve.ts';
import { createGuardedFetch } from '../net/guarded-fetch.ts';

type Fetch = typeof globalThis.fetch;

/** What a bot gets its own token with; null without a password: then it only listens. */
export function teamsCredentials({ appId, appPassword, tokenScope: scope, tenantId, tokenUrl: given }: TeamsConfig) {
  if (appId === undefined || appPassword === undefined) return null;
  const tokenUrl = given ?? entraTokenUrl(tenantId);
  return { appId, appPassword, scope, tokenUrl, fetch: fetchAllowing([tokenUrl]) };
}

/** For `sallyport doctor`. @throws Error that names the setting when Microsoft gives no token */
export async function teamsIsAccepted(teams: TeamsConfig): Promise<string | null> {
  const credentials = teamsCredentials(teams);
  if (credentials === null) return null;
  const { kind } = await createAccessTokens({ ...credentials, clock: Date.now }).get();
  if (kind === 'ok') return 'accepted';
  if (kind === 'rejected') throw new Error('TEAMS_APP_ID, TEAMS_APP_PASSWORD: Microsoft does not accept them');
  throw new Error('TEAMS_TOKEN_URL: it gives no token now');
}

/** A single-tenant bot gets its token from its own tenant, any other from Bot Framework's. */
const entraTokenUrl = (tenantId = 'botframework.com'): string =>
  `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`;

/**
 * The guarded client. It may reach the hosts of these configured URLs even where they are private. `timeoutMs`: of a
 * whole request, by default the client's own.
 */
export function fetchAllowing(urls: readonly string[], timeoutMs?: number): Fetch {
  const allow = urls.map(allowEntry).filter((entry) => entry !== null);
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  return asFetch(createGuardedFetch({ resolve: createDnsResolve(), allow, ...limit }));
}
