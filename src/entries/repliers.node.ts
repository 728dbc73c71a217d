import type { Replier } from '../channels/channel.ts';
import type { ChannelName } from '../core/event.ts';
import type { Runtime } from './runtime.node.ts';

/** For channels without credentials: the run keeps its reply, and nobody pretends it was posted. */
const unsent: Replier = {
  send: async () => ({ kind: 'unsent' }),
  find: async () => 'absent',
};

/** Finds what posts a tenant's replies on a channel. */
export function createReplierTable(_runtime: Runtime): (tenant: string, channel: ChannelName) => Replier {
  const table = new Map<string, Replier>();
  return (tenant, channel) => table.get(`${channel}/${tenant}`) ?? unsent;
}
