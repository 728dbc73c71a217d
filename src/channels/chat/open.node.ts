import type { NodeHalf } from '../module.node.ts';
import type { ChatConfig } from './settings.ts';

/** The run keeps the reply, and whoever asked comes for it: nothing is posted, so nothing can be posted twice. */
export const chatNode: NodeHalf<ChatConfig> = {
  sample: async () => (await import('./sample.node.ts')).chatSample,
  open: () => ({ replier: { send: async () => ({ kind: 'in_response' }), find: async () => 'absent' } }),
};
