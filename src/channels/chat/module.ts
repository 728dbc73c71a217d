import type { ChannelModule } from '../module.ts';
import { createChatChannel } from './channel.ts';
import { messageSchema } from './message.ts';
import { type ChatConfig, chatSchema, chatWindow } from './settings.ts';

export const chatModule = {
  name: 'chat',
  settings: chatSchema,
  window: chatWindow,
  hooks: [],
  samples: ['chat'],
  sampleChoices: ['thread'],
  callers: { message: messageSchema },
  /** The caller, whose idempotency key stands for one message in whatever conversation. */
  containerOf: ({ author }) => author.id,
  receive(_, { windowMs, bodyLimit, outcomeHeaders = true, identifier }) {
    const channel = createChatChannel({ identifier, windowMs, bodyLimit, outcomeHeaders });
    return (rest) => (rest.length === 0 ? channel : null);
  },
} as const satisfies ChannelModule<ChatConfig>;
