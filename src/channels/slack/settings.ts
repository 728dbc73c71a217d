import { z } from 'zod';
import { durationAtLeast, flag, httpUrl, listOf, secret } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;
const TENANT = ['tenants', 'default', 'slack'] as const;

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

export const slackSchema = z.strictObject({
  /** Slack's own are 32 characters; several during rotation. */
  signingSecrets: listOf(secret(16)),
  botToken: secret(16).optional(),
  apiUrl: httpUrl.default('https://slack.com/api/'),
  /** Absent: every correctly signed workspace belongs to this tenant. */
  installations: z.array(installation).optional(),
  /** `bot_id`s or app ids of other bots whose messages are answered. */
  allowBots: z.array(z.string()).default([]),
  /** Answer only mentions and direct messages. */
  mentionsOnly: flag.default(false),
  /** Further Events API types the agent is asked about. */
  eventTypes: z.array(z.string()).default([]),
});

export type SlackConfig = z.output<typeof slackSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const slackWindow = durationAtLeast(25 * HOUR_MS, 'Slack re-sends delayed events for 24 hours').prefault('72h');

export const slackEnvironment: Readonly<Record<string, readonly string[]>> = {
  SLACK_SIGNING_SECRET: [...TENANT, 'signingSecrets'],
  SLACK_BOT_TOKEN: [...TENANT, 'botToken'],
  SLACK_API_URL: [...TENANT, 'apiUrl'],
};

/** Variables that only refine the app, and the one that switches it on. */
export const slackRefinements: Readonly<Record<string, string>> = {
  SLACK_BOT_TOKEN: 'SLACK_SIGNING_SECRET',
  SLACK_API_URL: 'SLACK_SIGNING_SECRET',
};
