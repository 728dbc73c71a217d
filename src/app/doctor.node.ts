import { examineGmail } from '../channels/gmail/api/examine.ts';
import type { GmailConfig } from '../channels/gmail/settings.ts';
import { examineGraph } from '../channels/graph/api/examine.ts';
import type { GraphConfig } from '../channels/graph/settings.ts';
import type { SlackConfig } from '../channels/slack/settings.ts';
import type { Examination, Examine } from '../cli/commands/doctor.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { type Clients, createClients } from '../net/clients.ts';
import { isReachable, slackAccepts } from '../ops/probes.ts';
import { openGmailClient } from './gmail-client.node.ts';
import { graphApiOf, keptSources } from './graph-sources.ts';
import { modelExaminations } from './model-checks.node.ts';
import { openSlackClient } from './slack.ts';
import { storeIsDurable } from './store-check.node.ts';
import { teamsIsAccepted } from './teams-credentials.node.ts';

/** Milliseconds a vendor may take for a token and its answers. */
const ANSWER_MS = 10_000;

/** What `sallyport doctor` looks at, one entry a line. */
export const examine: Examine = (config) => examinationsOf(config, createClients());

const examinationsOf = (config: Config, clients: Clients): readonly Examination[] => [
  { name: 'store', run: () => storeIsDurable(config) },
  ...Object.entries(config.tenants).flatMap(([tenant, { slack, graph, teams, gmail }]): Examination[] => [
    { name: `slack credentials (${tenant})`, run: () => slackIsAccepted(slack, clients) },
    ...(graph === undefined
      ? []
      : [{ name: `graph (${tenant})`, run: () => graphIsWell(tenant, graph, config, clients) }]),
    ...(teams === undefined ? [] : [{ name: `teams (${tenant})`, run: () => teamsIsAccepted(teams, clients) }]),
    ...(gmail === undefined ? [] : [{ name: `gmail (${tenant})`, run: () => gmailIsRead(gmail, clients) }]),
  ]),
  ...modelExaminations(config, clients),
  { name: 'public URL', run: () => publicUrlLeadsHere(config.server, clients) },
];

const publicUrlLeadsHere = async ({ publicUrl }: Config['server'], clients: Clients): Promise<string | null> =>
  publicUrl === undefined ? null : isReachable(publicUrl, clients.open('vendor', [publicUrl]).fetch);

const slackIsAccepted = async (slack: SlackConfig | undefined, clients: Clients): Promise<string | null> =>
  slack?.botToken === undefined
    ? null
    : slackAccepts(slack.apiUrl, slack.botToken, openSlackClient(clients, slack.apiUrl).fetch);

const gmailIsRead = (gmail: GmailConfig, clients: Clients): Promise<string> =>
  examineGmail(openGmailClient(gmail, clients), gmail.mailboxes, AbortSignal.timeout(ANSWER_MS));

async function graphIsWell(
  tenant: string,
  graph: GraphConfig,
  config: Config,
  clients: Clients,
): Promise<string | null> {
  const api = graphApiOf(graph, clients);
  if (api === null) return null;
  return examineGraph(api, keptSources(tenant, graph, config, nodeCrypto).values(), AbortSignal.timeout(ANSWER_MS));
}
