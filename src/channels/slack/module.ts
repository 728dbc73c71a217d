import type { ChannelModule } from '../module.ts';
import { createSlackChannel, matchPolicy } from './index.ts';
import type { SlackInstallation } from './installation.ts';
import { type SlackConfig, slackSchema, slackWindow } from './settings.ts';

/** Commands and actions are sent once; this outlives their `response_url` (30 minutes). */
const INTERACTIONS_MS = 3_600_000;

export const slackModule = {
  name: 'slack',
  samples: ['slack'],
  settings: slackSchema,
  window: slackWindow,
  hooks: [{ label: 'Slack request URL', path: '' }],
  receive(slack, { tenants, windowMs, bodyLimit, outcomeHeaders, crypto, identifier }) {
    const channel = createSlackChannel({
      crypto,
      identifier,
      signingSecrets: slack.signingSecrets,
      ...(slack.installations === undefined ? {} : { installations: installationsOf(tenants) }),
      allowBots: slack.allowBots,
      match: matchPolicy({ mentionsOnly: slack.mentionsOnly, eventTypes: slack.eventTypes }),
      appName: 'slack-app',
      windows: { eventsMs: windowMs, interactionsMs: INTERACTIONS_MS },
      bodyLimit,
      outcomeHeaders: outcomeHeaders ?? true,
    });
    return (rest) => (rest.length === 0 ? channel : null);
  },
} as const satisfies ChannelModule<SlackConfig>;

/** Of all tenants, so that one tenant's route refuses another's workspace by name and not as unknown. */
export const installationsOf = (tenants: ReadonlyMap<string, SlackConfig>): SlackInstallation[] =>
  [...tenants].flatMap(([tenant, { installations = [] }]) =>
    installations.map((entry) => ({ ...entry, tenant }) as SlackInstallation),
  );
