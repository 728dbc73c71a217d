import type { Channel } from '../channels/channel.ts';
import type { Config } from '../config/schema.ts';
import type { ChannelName } from '../core/event.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { gmailChannel } from './gmail.ts';
import { graphChannels } from './graph.ts';
import { slackChannel, slackInstallations } from './slack.ts';
import { teamsChannels } from './teams.ts';

/** Finds the channel behind `/hooks/{name}/{tenant}/{rest}`; null for what is not configured. */
export function createChannelTable(
  config: Config,
  deps: ChannelDeps,
): (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null {
  const table = new Map<string, Channel>();
  const routers = new Map<string, (rest: readonly string[]) => Channel | null>();
  const installations = slackInstallations(config);
  for (const [tenant, { slack, graph, teams, gmail }] of Object.entries(config.tenants)) {
    if (slack !== undefined) table.set(`slack/${tenant}`, slackChannel(slack, installations, config, deps));
    if (graph !== undefined) routers.set(`graph/${tenant}`, graphChannels(graph, config, deps));
    if (gmail !== undefined) table.set(`gmail/${tenant}`, gmailChannel(gmail, config, deps));
    if (teams !== undefined) for (const one of teamsChannels(tenant, teams, config, deps)) table.set(...one);
  }
  return (name, tenant, rest) =>
    routers.get(`${name}/${tenant}`)?.(rest) ?? table.get([name, tenant, ...rest].join('/')) ?? null;
}
