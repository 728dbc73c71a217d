import * as z from 'zod';
import { fromBase64 } from '../../core/crypto/encoding.ts';
import { setting } from '../../core/setting.ts';
import { durationAtLeast, flag, httpUrl, listOf, secret } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;

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
    appId: setting(guid.optional(), {
      env: 'TEAMS_APP_ID',
      description: 'switches the bot on: its Microsoft App ID; absent: no bot, only outgoing webhooks',
    }),
    appPassword: setting(secret(1).optional(), {
      env: 'TEAMS_APP_PASSWORD',
      description: 'without it runs keep their reply and nothing is posted',
      secret: true,
      refines: 'TEAMS_APP_ID',
    }),
    tenantId: setting(guid.optional(), {
      env: 'TEAMS_TENANT_ID',
      description:
        "a single-tenant bot's Entra tenant: its token comes from there, and activities of others are ignored",
      refines: 'TEAMS_APP_ID',
    }),
    issuer: setting(z.string().min(1).default('https://api.botframework.com'), {
      description: 'who signs the activities; another one in [government clouds](teams.md#government-clouds)',
    }),
    openIdUrl: setting(httpUrl.default('https://login.botframework.com/v1/.well-known/openidconfiguration'), {
      env: 'TEAMS_OPENID_URL',
      description: 'where the keys of activities are announced; for government clouds and local servers',
      refines: 'TEAMS_APP_ID',
    }),
    tokenUrl: setting(httpUrl.optional(), {
      env: 'TEAMS_TOKEN_URL',
      description: 'where the bot gets its token',
      default: "Entra, of the bot's tenant",
      refines: 'TEAMS_APP_ID',
    }),
    tokenScope: setting(z.string().min(1).default('https://api.botframework.com/.default'), {
      description: 'what the token is for; another one in government clouds',
    }),
    serviceHosts: setting(listOf(serviceHost).optional(), {
      env: 'TEAMS_SERVICE_HOSTS',
      description: 'hosts a reply may go to: `host`, `host:port` or `*.domain`; replaces the default',
      default: "[Teams' own](teams.md#replies)",
      refines: 'TEAMS_APP_ID',
    }),
    outgoingSecrets: setting(listOf(securityToken).optional(), {
      env: 'TEAMS_OUTGOING_SECRET',
      description:
        'switches outgoing webhooks on: their security tokens, as Teams shows them; a comma list for several, or while one replaces another',
      secret: true,
    }),
    mentionsOnly: setting(flag.default(false), { description: 'answer only mentions and personal chats' }),
    activityTypes: setting(z.array(z.string()).default([]), {
      description: 'further activity types the agent is asked about, e.g. `messageReaction`',
    }),
  })
  .refine(({ appId, outgoingSecrets }) => appId !== undefined || outgoingSecrets !== undefined, {
    message: 'needs appId (a bot) or outgoingSecrets (outgoing webhooks)',
  });

export type TeamsConfig = z.output<typeof teamsSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const teamsWindow = setting(durationAtLeast(HOUR_MS, 'Teams re-sends activities').prefault('24h'), {
  env: 'SALLYPORT_WINDOW_TEAMS',
  description: 'at least 1h',
});
