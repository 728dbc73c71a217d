import { examineGmail } from '../channels/gmail/api/examine.ts';
import { examineGraph } from '../channels/graph/api/examine.ts';
import type { Examination, Examine } from '../cli/commands/doctor.ts';
import type { GmailConfig } from '../config/gmail.ts';
import type { GraphConfig } from '../config/graph.ts';
import type { Config, SlackConfig } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { isReachable, slackAccepts } from '../ops/probes.ts';
import { openGmailClient } from './gmail-client.node.ts';
import { graphApiOf, keptSources } from './graph-sources.ts';
import { modelExaminations } from './model-checks.node.ts';
import { storeIsDurable } from './store-check.node.ts';
import { teamsIsAccepted } from './teams-credentials.node.ts';

/** Milliseconds a vendor may take for a token and its answers. */
const ANSWER_MS = 10_000;

/** What `sallyport doctor` looks at, one entry a line. */
export const examine: Examine = (config) => [
  { name: 'store', run: () => storeIsDurable(config) },
  ...Object.entries(config.tenants).flatMap(([tenant, { slack, graph, teams, gmail }]): Examination[] => [
    { name: `slack credentials (${tenant})`, run: () => slackIsAccepted(slack) },
    ...(graph === undefined ? [] : [{ name: `graph (${tenant})`, run: () => graphIsWell(tenant, graph, config) }]),
    ...(teams === undefined ? [] : [{ name: `teams (${tenant})`, run: () => teamsIsAccepted(teams) }]),
    ...(gmail === undefined ? [] : [{ name: `gmail (${tenant})`, run: () => gmailIsRead(gmail) }]),
  ]),
  ...modelExaminations(config),
  { name: 'public URL', run: () => publicUrlLeadsHere(config.server) },
];

const publicUrlLeadsHere = async ({ publicUrl }: Config['server']): Promise<string | null> =>
  publicUrl === undefined ? null : isReachable(publicUrl);

const slackIsAccepted = async (slack: SlackConfig | undefined): Promise<string | null> =>
  slack?.botToken === undefined ? null : slackAccepts(slack.apiUrl, slack.botToken);

const gmailIsRead = (gmail: GmailConfig): Promise<string> =>
  examineGmail(openGmailClient(gmail), gmail.mailboxes, AbortSignal.timeout(ANSWER_MS));

async function graphIsWell(tenant: string, graph: GraphConfig, config: Config): Promise<string | null> {
  const api = graphApiOf(graph);
  if (api === null) return null;
  return examineGraph(api, keptSources(tenant, graph, config, nodeCrypto).values(), AbortSignal.timeout(ANSWER_MS));
}
