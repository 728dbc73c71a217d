import type { Channel } from '../channels/channel.ts';
import { createSlackChannel, matchPolicy, type SlackInstallation } from '../channels/slack/index.ts';
import type { Config, SlackConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto.ts';
import type { ChannelName } from '../core/event.ts';
import type { Identifier } from '../core/identity.ts';
import { graphChannels } from './graph-channel.ts';
import { teamsChannels } from './teams.ts';

export interface ChannelDeps {
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  /** For the keys of token issuers, whose addresses are configured. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** Commands and actions are sent once; this outlives their `response_url` (30 minutes). */
const SLACK_INTERACTIONS_MS = 3_600_000;

/** Finds the channel behind `/hooks/{name}/{tenant}/{rest}`; null for what is not configured. */
export function createChannelTable(
  config: Config,
  deps: ChannelDeps,
): (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null {
  const table = new Map<string, Channel>();
  const routers = new Map<string, (rest: readonly string[]) => Channel | null>();
  const installations = slackInstallations(config);
  for (const [tenant, { slack, teams }] of Object.entries(config.tenants)) {
    if (slack !== undefined) table.set(`slack/${tenant}`, slackChannel(slack, installations, config, deps));
    if (teams !== undefined) for (const one of teamsChannels(tenant, teams, config, deps)) table.set(...one);
  }
  return (name, tenant, rest) => table.get([name, tenant, ...rest].join('/')) ?? null;
}

/** Of all tenants, so that one tenant's route refuses another's workspace by name and not as unknown. */
export const slackInstallations = (config: Config): SlackInstallation[] =>
  Object.entries(config.tenants).flatMap(([tenant, { slack }]) =>
    (slack?.installations ?? []).map((entry) => ({ ...entry, tenant }) as SlackInstallation),
  );

const slackChannel = (
  slack: SlackConfig,
  installations: readonly SlackInstallation[],
  { windows, server }: Config,
  { crypto, identifier }: ChannelDeps,
): Channel =>
  createSlackChannel({
    crypto,
    identifier,
    signingSecrets: slack.signingSecrets,
    ...(slack.installations === undefined ? {} : { installations }),
    allowBots: slack.allowBots,
    match: matchPolicy({ mentionsOnly: slack.mentionsOnly, eventTypes: slack.eventTypes }),
    appName: 'slack-app',
    windows: { eventsMs: windows.slack, interactionsMs: SLACK_INTERACTIONS_MS },
    bodyLimit: server.bodyLimit,
    outcomeHeaders: server.outcomeHeaders ?? true,
  });
