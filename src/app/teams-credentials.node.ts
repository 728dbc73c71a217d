import { createAccessTokens } from '../channels/teams/reply/access-token.ts';
import type { TeamsConfig } from '../channels/teams/settings.ts';
import type { Clients } from '../net/clients.ts';

/** What a bot gets its own token with; null without a password: then it only listens. */
export function teamsCredentials(
  { appId, appPassword, tokenScope: scope, tenantId, tokenUrl: given }: TeamsConfig,
  clients: Clients,
) {
  if (appId === undefined || appPassword === undefined) return null;
  const tokenUrl = given ?? entraTokenUrl(tenantId);
  return { appId, appPassword, scope, tokenUrl, fetch: clients.open('vendor', [tokenUrl]).fetch };
}

/** For `sallyport doctor`. @throws Error that names the setting when Microsoft gives no token */
export async function teamsIsAccepted(teams: TeamsConfig, clients: Clients): Promise<string | null> {
  const credentials = teamsCredentials(teams, clients);
  if (credentials === null) return null;
  const { kind } = await createAccessTokens({ ...credentials, clock: Date.now }).get();
  if (kind === 'ok') return 'accepted';
  if (kind === 'rejected') throw new Error('TEAMS_APP_ID, TEAMS_APP_PASSWORD: Microsoft does not accept them');
  throw new Error('TEAMS_TOKEN_URL: it gives no token now');
}

/** A single-tenant bot gets its token from its own tenant, any other from Bot Framework's. */
const entraTokenUrl = (tenantId = 'botframework.com'): string =>
  `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`;
