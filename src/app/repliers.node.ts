import type { Replier } from '../channels/channel.ts';
import { createSlackReplier } from '../channels/slack/reply/reply.ts';
import type { ChannelName } from '../core/event.ts';
import { createGmailWorker } from './gmail.node.ts';
import { createGraphWorker } from './graph.node.ts';
import type { Runtime } from './runtime.node.ts';
import { openSlackClient, slackInstallations } from './slack.ts';
import { teamsReplier } from './teams.node.ts';

/** For channels without credentials: the run keeps its reply, and nobody pretends it was posted. */
const unsent: Replier = {
  send: async () => ({ kind: 'unsent' }),
  find: async () => 'absent',
};

/** Finds what posts a tenant's replies on a channel. */
export function createReplierTable(runtime: Runtime): (tenant: string, channel: ChannelName) => Replier {
  const { clients, config, sealer, log: logger } = runtime;
  const table = new Map<string, Replier>();
  const installations = slackInstallations(config);
  for (const [tenant, { slack, graph, teams, gmail }] of Object.entries(config.tenants)) {
    if (teams !== undefined) table.set(`teams/${tenant}`, teamsReplier(tenant, teams, runtime));
    if (gmail !== undefined) table.set(`gmail/${tenant}`, createGmailWorker(tenant, gmail, runtime).replier);
    const graphReplier = graph === undefined ? null : createGraphWorker(tenant, graph, runtime).replier;
    if (graphReplier !== null) table.set(`graph/${tenant}`, graphReplier);
    else if (graph !== undefined) logger.warn({ tenant, setting: 'GRAPH_CLIENT_SECRET' }, 'graph.no-credentials');
    if (slack === undefined) continue;
    const { apiUrl, botToken } = slack;
    if (botToken === undefined && !installations.some((entry) => entry.tenant === tenant && entry.botToken)) {
      logger.warn({ tenant, setting: 'SLACK_BOT_TOKEN' }, 'reply.no-credentials');
    }
    const accounts = {
      ...(botToken === undefined ? {} : { botToken }),
      ...(slack.installations === undefined ? {} : { installations }),
    };
    const { fetch } = openSlackClient(clients, apiUrl, config.worker.replyTimeout);
    table.set(`slack/${tenant}`, createSlackReplier({ apiUrl, ...accounts, fetch, sealer, logger }));
  }
  return (tenant, channel) => table.get(`${channel}/${tenant}`) ?? unsent;
}
