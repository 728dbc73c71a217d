import type { Plugs } from './module.node.ts';
import { channelModules } from './registry.ts';

/** Every channel there is, with the halves that need Node. */
export const plugs: Plugs = {
  modules: channelModules,
  halves: {
    slack: async () => (await import('./slack/open.node.ts')).slackNode,
    graph: async () => (await import('./graph/open.node.ts')).graphNode,
    gmail: async () => (await import('./gmail/open.node.ts')).gmailNode,
    teams: async () => (await import('./teams/open.node.ts')).teamsNode,
    chat: async () => (await import('./chat/open.node.ts')).chatNode,
  },
};
