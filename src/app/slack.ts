import { type Channel, VENDOR_CALL_MS } from '../channels/channel.ts';
import { createSlackChannel, matchPolicy, type SlackInstallation } from '../channels/slack/index.ts';
import type { SlackConfig } from '../channels/slack/settings.ts';
import type { Config } from '../config/schema.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import type { Identifier } from '../core/identity.ts';
import type { Client, Clients } from '../net/clients.ts';

/** Commands and actions are sent once; this outlives their `response_url` (30 minutes). */
const SLACK_INTERACTIONS_MS = 3_600_000;

/** Of all tenants, so that one tenant's route refuses another's workspace by name and not as unknown. */
export const slackInstallations = (config: Config): SlackInstallation[] =>
  Object.entries(config.tenants).flatMap(([tenant, { slack }]) =>
    (slack?.installations ?? []).map((entry) => ({ ...entry, tenant }) as SlackInstallation),
  );

/** Where Slack's response URLs lead, GovSlack's included. */
const RESPONSE_URLS = ['https://hooks.slack.com/', 'https://hooks.slack-gov.com/'];

/** For the Web API and for response URLs. `replyTimeoutMs`: time limit of the call that posts a reply. */
export const openSlackClient = (clients: Clients, apiUrl: string, replyTimeoutMs = VENDOR_CALL_MS): Client =>
  clients.open('vendor', [apiUrl, ...RESPONSE_URLS], { timeoutMs: Math.max(VENDOR_CALL_MS, replyTimeoutMs) });

export const slackChannel = (
  slack: SlackConfig,
  installations: readonly SlackInstallation[],
  { windows, server }: Config,
  { crypto, identifier }: { readonly crypto: Crypto; readonly identifier: Identifier },
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
