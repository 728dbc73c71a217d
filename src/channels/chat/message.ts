import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import { decodeText, parseUniqueJson } from '../../core/json/json-text.ts';
import { validated } from '../../core/validate.ts';
import type { Delivery, ParsedEvent } from '../channel.ts';

export const messageSchema = z.strictObject({
  conversation: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, { error: 'must have 1 to 100 characters of A-Z a-z 0-9 _ . : -' })
    .optional()
    .describe('without one the message begins a new conversation'),
  text: z.string().regex(/\S/, { error: 'must not be blank' }),
  idempotencyKey: z.string().min(1).max(255).optional().describe('stands for this one message of this subject'),
});

/** What a caller says. */
type Message = z.output<typeof messageSchema>;

/**
 * @param headerKey the idempotency key of the request's header, which means the same as the one in its body
 * @throws SallyportError ERR_BODY_UNPARSABLE, ERR_INVALID_REQUEST
 */
export function parseMessage(body: Uint8Array, headerKey?: string): Message {
  const message = validated(parseUniqueJson(decodeText(body)), messageSchema);
  const { idempotencyKey = headerKey } = message;
  if (headerKey !== undefined && idempotencyKey !== headerKey) {
    throw new SallyportError('ERR_INVALID_REQUEST', 'idempotencyKey: must be that of the header Idempotency-Key');
  }
  return idempotencyKey === undefined ? message : { ...message, idempotencyKey };
}

/**
 * A message as an event. An idempotency key names one message of one caller, so a conversation that was not given is made
 * of the key: whoever tries again because they saw no answer is told the same one.
 */
export function chatEvent(
  { conversation: given, text, idempotencyKey }: Message,
  { tenant, receivedAt }: Delivery,
  subject: string,
  { identifier, windowMs }: { readonly identifier: Identifier; readonly windowMs: number },
): ParsedEvent {
  const id = identifier.eventId(receivedAt);
  const scope = ['chat', tenant, subject];
  const semantic = idempotencyKey === undefined ? ['once', id] : ['key', idempotencyKey];
  const conversation = given ?? identifier.digest('chat', [...scope, ...semantic]);
  return {
    event: {
      v: 1,
      id,
      tenant,
      channel: 'chat',
      kind: 'message',
      identity: identifier.identity(scope, semantic, [conversation, text]),
      windowMs,
      // Of the caller alone, however others call theirs.
      conversation: identifier.conversation(scope, `${subject}:${conversation}`),
      receivedAt,
      mentioned: true,
      author: { id: subject, kind: 'user' },
      text,
      destination: { conversation },
      payload: { text },
    },
    capabilities: {},
    // A name of our own making is no secret, whatever it looks like.
    routingIds: given === undefined ? [subject] : [subject, given],
  };
}
