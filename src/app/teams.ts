import type { Channel } from '../channels/channel.ts';
import { createTeamsBotChannel, createTeamsOutgoingChannel, teamsMatchPolicy } from '../channels/teams/index.ts';
import type { TeamsConfig } from '../channels/teams/settings.ts';
import type { Config } from '../config/schema.ts';
import { createJwks } from '../net/jwt/jwks.ts';
import type { ChannelDeps } from './channel-deps.ts';

/** A tenant's bot and its outgoing webhooks, each with its route. */
export function teamsChannels(
  tenant: string,
  teams: TeamsConfig,
  { windows, server }: Config,
  { crypto, identifier, clients, clock }: ChannelDeps,
): readonly (readonly [string, Channel])[] {
  const { appId, issuer, openIdUrl, tenantId, serviceHosts, outgoingSecrets } = teams;
  const { bodyLimit, outcomeHeaders = true } = server;
  const common = { identifier, windowMs: windows.teams, bodyLimit, outcomeHeaders };
  const channels: [string, Channel][] = [];
  if (appId !== undefined) {
    const { fetch } = clients.open('vendor', [openIdUrl]);
    const bot = createTeamsBotChannel({
      ...common,
      appId,
      issuer,
      jwks: createJwks({ url: openIdUrl, kind: 'openid', fetch, clock }),
      clock,
      match: teamsMatchPolicy({ mentionsOnly: teams.mentionsOnly, activityTypes: teams.activityTypes }),
      ...(tenantId === undefined ? {} : { tenantId }),
      ...(serviceHosts === undefined ? {} : { serviceHosts }),
    });
    channels.push([`teams/${tenant}`, bot]);
  }
  if (outgoingSecrets !== undefined) {
    const outgoing = createTeamsOutgoingChannel({ ...common, crypto, keys: outgoingSecrets });
    channels.push([`teams/${tenant}/outgoing`, outgoing]);
  }
  return channels;
}
