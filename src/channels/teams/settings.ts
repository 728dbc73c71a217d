import { z } from 'zod';
import { fromBase64 } from '../../core/crypto/encoding.ts';
import { durationAtLeast, flag, httpUrl, listOf, secret } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;
const TENANT = ['tenants', 'default', 'teams'] as const;

/** An app or tenant id: GUIDs, in practice. It becomes part of a URL. */
const guid = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, { message: 'must be an id of letters, digits and -' });

/** Teams gives out 32 bytes. Less than 16 is no key, and an empty one is one everybody knows. */
const MIN_KEY_BYTES = 16;

const securityToken = z.string({ error: 'must be text' }).transform((text, context) => {
  const key = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? fromBase64(text) : null;
  if (key === null || key.length < MIN_KEY_BYTES) {
    context.addIssue({ code: 'custom', message: 'must be the security token as Teams shows it (base64)' });
    return z.NEVER;
  }
  return key;
});

const serviceHost = z.string().regex(/^(\*\.[a-z0-9-]+\.)?([a-z0-9-]+(\.[a-z0-9-]+)*|\[::1\])(:[0-9]{1,5})?$/, {
  message: 'must be a list of host, host:port or *.domain',
});

export const teamsSchema = z
  .strictObject({
    /** The bot's Microsoft App ID. Absent: no bot, only outgoing webhooks. */
    appId: guid.optional(),
    /** Absent: activities are taken and replies kept, not posted. */
    appPassword: secret(1).optional(),
    /** The Entra tenant of a single-tenant bot; activities of other tenants are ignored. */
    tenantId: guid.optional(),
    /** Who signs the activities; another one in government clouds. */
    issuer: z.string().min(1).default('https://api.botframework.com'),
    openIdUrl: httpUrl.default('https://login.botframework.com/v1/.well-known/openidconfiguration'),
    tokenUrl: httpUrl.optional(),
    tokenScope: z.string().min(1).default('https://api.botframework.com/.default'),
    /** Hosts a reply may be posted to. */
    serviceHosts: listOf(serviceHost).optional(),
    /** Security tokens of outgoing webhooks; one for each webhook, or several during rotation. */
    outgoingSecrets: listOf(securityToken).optional(),
    /** Answer only mentions and personal chats. */
    mentionsOnly: flag.default(false),
    /** Further activity types the agent is asked about, e.g. `messageReaction`. */
    activityTypes: z.array(z.string()).default([]),
  })
  .refine(({ appId, outgoingSecrets }) => appId !== undefined || outgoingSecrets !== undefined, {
    message: 'needs appId (a bot) or outgoingSecrets (outgoing webhooks)',
  });

export type TeamsConfig = z.output<typeof teamsSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const teamsWindow = durationAtLeast(HOUR_MS, 'Teams re-sends activities').prefault('24h');

export const teamsEnvironment: Readonly<Record<string, readonly string[]>> = {
  TEAMS_APP_ID: [...TENANT, 'appId'],
  TEAMS_APP_PASSWORD: [...TENANT, 'appPassword'],
  TEAMS_TENANT_ID: [...TENANT, 'tenantId'],
  TEAMS_OPENID_URL: [...TENANT, 'openIdUrl'],
  TEAMS_TOKEN_URL: [...TENANT, 'tokenUrl'],
  TEAMS_SERVICE_HOSTS: [...TENANT, 'serviceHosts'],
  TEAMS_OUTGOING_SECRET: [...TENANT, 'outgoingSecrets'],
};

/** Variables that only refine the bot, and the one that switches it on. */
export const teamsRefinements: Readonly<Record<string, string>> = {
  TEAMS_APP_PASSWORD: 'TEAMS_APP_ID',
  TEAMS_TENANT_ID: 'TEAMS_APP_ID',
  TEAMS_OPENID_URL: 'TEAMS_APP_ID',
  TEAMS_TOKEN_URL: 'TEAMS_APP_ID',
  TEAMS_SERVICE_HOSTS: 'TEAMS_APP_ID',
};
