import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import type { EventRecord } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { CallerProof, CallerView, Channel, Respond } from '../channel.ts';
import { chatEvent, parseMessage } from './message.ts';

export interface ChatChannelDeps {
  readonly identifier: Identifier;
  readonly windowMs: number;
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
}

/** Chat over the API: callers say something, are told the event at once, and ask for its reply later. */
export const createChatChannel = ({ bodyLimit, outcomeHeaders, ...making }: ChatChannelDeps): Channel => ({
  name: 'chat',
  bodyLimit,
  outcomeHeaders,
  receive(delivery) {
    const { subject, idempotencyKey } = delivery.proof as CallerProof;
    const parsed = chatEvent(parseMessage(delivery.body, idempotencyKey), delivery, subject, making);
    return { events: [parsed], refused: [], respond: receiptFor(parsed.event.destination) };
  },
  // What was taken in has a receipt of its own; the rest is refused, because its caller can still change it.
  acknowledge() {
    throw new SallyportError('ERR_INVALID_REQUEST', 'the subject or the conversation looks like a secret');
  },
  show: shownTo,
});

const receiptFor =
  ({ conversation }: JsonObject): Respond =>
  (_, [one]) => {
    if (one === undefined || one.outcome === 'conflict') {
      throw new SallyportError('ERR_IDEMPOTENCY_KEY_REUSED', 'the key stands for another text or conversation');
    }
    const body = JSON.stringify({ event: one.id, conversation });
    return { status: 202, headers: { 'content-type': 'application/json' }, body };
  };

/** Another tenant's events are not even found, and another subject's are none of theirs. */
function shownTo({ event, state, runs, failure }: EventRecord, subject: string): CallerView | null {
  if (event.author.id !== subject) return null;
  // What was held, rejected or refused is in the record too, and is not said to anybody.
  const reply = runs.findLast((run) => run.reply?.state === 'delivered')?.reply;
  return {
    event: event.id,
    conversation: String(event.destination.conversation ?? ''),
    state,
    receivedAt: new Date(event.receivedAt).toISOString(),
    ...(reply !== undefined && { reply: { text: reply.text, ...defined({ disclosure: reply.disclosure }) } }),
    ...(failure !== undefined && { failure: { code: failure.code } }),
  };
}
