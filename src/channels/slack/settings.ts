import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { durationAtLeast, flag, httpUrl, listOf, secret } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;

/** An installed workspace or organisation of a Slack app. */
const installation = z
  .strictObject({
    appId: z.string().min(1),
    /** Exactly one of the two names what the app is installed in. */
    teamId: z.string().min(1).optional(),
    enterpriseId: z.string().min(1).optional(),
    botToken: secret(16).optional(),
    botUserId: z.string().optional(),
    botId: z.string().optional(),
  })
  .refine(({ teamId, enterpriseId }) => (teamId === undefined) !== (enterpriseId === undefined), {
    message: 'needs exactly one of teamId and enterpriseId',
  });

/** A workspace (`T…`) or an organisation (`E…`). */
const place = z
  .string()
  .regex(/^[TE][A-Z0-9]{1,30}$/, { message: 'must be ids of workspaces (T…) or organisations (E…)' });

/** Slack's own Web API. */
export const SLACK_API_URL = 'https://slack.com/api/';

export const slackSchema = z.strictObject({
  // Slack's own are 32 characters.
  signingSecrets: setting(listOf(secret(16)), {
    env: 'SLACK_SIGNING_SECRET',
    description: 'switches Slack on; a comma list while one replaces another',
    default: '–',
    secret: true,
    emptyIsWrong: true,
  }),
  botToken: setting(secret(16).optional(), {
    env: 'SLACK_BOT_TOKEN',
    description: 'without it runs keep their reply and nothing is posted',
    secret: true,
    refines: 'SLACK_SIGNING_SECRET',
  }),
  apiUrl: setting(httpUrl.default(SLACK_API_URL), {
    env: 'SLACK_API_URL',
    description: 'for a local server',
    refines: 'SLACK_SIGNING_SECRET',
  }),
  installations: setting(z.array(installation).optional(), {
    description:
      'workspaces (`teamId`) or organisations (`enterpriseId`) of the app `appId`, each with its `botToken`; absent: every correctly signed workspace belongs to this tenant',
  }),
  teams: setting(listOf(place).optional(), {
    description:
      "this tenant's workspaces (`T…`) and organisations (`E…`) of an app that serves several tenants, each of which names the app's signing secret and its own `teams` ([Slack](slack.md#one-app-for-several-tenants)); absent: every correctly signed workspace belongs to this tenant",
    default: '–',
  }),
  allowBots: setting(z.array(z.string()).default([]), {
    description: 'bot ids (`B…`) or app ids of other bots whose messages are answered',
  }),
  mentionsOnly: setting(flag.default(false), { description: 'answer only mentions and direct messages' }),
  eventTypes: setting(z.array(z.string()).default([]), {
    description: 'further Events API types the agent is asked about',
  }),
});

export type SlackConfig = z.output<typeof slackSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const slackWindow = setting(
  durationAtLeast(25 * HOUR_MS, 'Slack re-sends delayed events for 24 hours').prefault('72h'),
  { env: 'SALLYPORT_WINDOW_SLACK', description: 'how long an identity is remembered; at least 25h' },
);
