import type { ChannelName } from '../core/event.ts';
import type { NodeHalf } from './module.ts';

/** The other halves of the channels in `registry.ts`, loaded by whoever opens or checks them. */
export const nodeHalves: Readonly<Record<ChannelName, () => Promise<NodeHalf>>> = {
  slack: async () => (await import('./slack/open.node.ts')).slackNode,
  graph: async () => (await import('./graph/open.node.ts')).graphNode,
  gmail: async () => (await import('./gmail/open.node.ts')).gmailNode,
  teams: async () => (await import('./teams/open.node.ts')).teamsNode,
};
