import { z } from 'zod';
import type { JsonObject } from '../../../core/json/json.ts';
import { htmlToText } from '../../../core/text/html.ts';
import { type Message, timeOf } from './message.ts';

const text = z.string().nullish();

const identity = z.looseObject({ id: text, displayName: text }).nullish();

const chatMessageSchema = z.looseObject({
  id: text,
  messageType: text,
  createdDateTime: text,
  deletedDateTime: text,
  from: z.looseObject({ user: identity, application: identity }).nullish(),
  subject: text,
  body: z.looseObject({ contentType: text, content: text }),
});
type ChatMessage = z.infer<typeof chatMessageSchema>;

/** A message of a Teams chat or channel. Null when it is none. */
export function readChatMessage(value: JsonObject): Message | null {
  const message = chatMessageSchema.safeParse(value).data;
  if (message === undefined) return null;
  const body = message.body.content ?? '';
  const plain = message.body.contentType?.toLowerCase() === 'html' ? htmlToText(body) : body.trim();
  const user = message.from?.user?.id;
  return {
    id: message.id ?? undefined,
    createdAt: timeOf(message.createdDateTime),
    irrelevance: whyIgnore(message),
    content: {
      text: [message.subject ?? '', plain].filter(Boolean).join('\n\n'),
      author: user ? { id: user, kind: 'user' } : { id: 'unknown', kind: 'unknown' },
      payload: value,
    },
  };
}

/** Our own bot is an application too, and bots that answer bots never end. */
function whyIgnore({ messageType, deletedDateTime, from }: ChatMessage): string | null {
  if (deletedDateTime) return 'deleted';
  if (messageType && messageType !== 'message') return 'system_message';
  return from?.application ? 'bot_message' : null;
}
