import { createJwks } from '../../net/jwt/jwks.ts';
import type { ChannelModule } from '../module.ts';
import { createTeamsBotChannel, createTeamsOutgoingChannel, teamsMatchPolicy } from './index.ts';
import { type TeamsConfig, teamsSchema, teamsWindow } from './settings.ts';

/** A bot, outgoing webhooks, or both, each with its path. */
export const teamsModule = {
  name: 'teams',
  samples: ['teams', 'teams-outgoing'],
  settings: teamsSchema,
  window: teamsWindow,
  hooks: [
    { label: 'Teams bot', path: '' },
    { label: 'Teams outgoing', path: 'outgoing' },
  ],
  withoutEffect({ appId, appPassword }) {
    const ofBot = ['appPassword', 'tenantId', 'issuer', 'openIdUrl', 'activityTypes', 'mentionsOnly'];
    const ofPosts = ['tokenUrl', 'tokenScope', 'serviceHosts'];
    if (appId === undefined) return [...ofBot, ...ofPosts];
    return appPassword === undefined ? ofPosts : [];
  },
  receive(teams, { windowMs, bodyLimit, outcomeHeaders = true, crypto, identifier, openFetch, clock }) {
    const { appId, issuer, openIdUrl, tenantId, serviceHosts, outgoingSecrets } = teams;
    const common = { identifier, windowMs, bodyLimit, outcomeHeaders };
    const bot =
      appId === undefined
        ? null
        : createTeamsBotChannel({
            ...common,
            appId,
            issuer,
            jwks: createJwks({ url: openIdUrl, kind: 'openid', fetch: openFetch([openIdUrl]), clock }),
            clock,
            match: teamsMatchPolicy({ mentionsOnly: teams.mentionsOnly, activityTypes: teams.activityTypes }),
            ...(tenantId === undefined ? {} : { tenantId }),
            ...(serviceHosts === undefined ? {} : { serviceHosts }),
          });
    const outgoing =
      outgoingSecrets === undefined ? null : createTeamsOutgoingChannel({ ...common, crypto, keys: outgoingSecrets });
    return ([path, ...more]) => {
      if (more.length > 0) return null;
      if (path === undefined) return bot;
      return path === 'outgoing' ? outgoing : null;
    };
  },
} as const satisfies ChannelModule<TeamsConfig>;
