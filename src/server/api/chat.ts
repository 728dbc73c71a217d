import * as z from 'zod';
import type { CallerProof, Channel } from '../../channels/channel.ts';
import { eventStates } from '../../core/event.ts';
import type { Events } from '../../queue/events.ts';
import { type DeliverDeps, deliver } from '../hooks/hooks.ts';
import { type App, unknownRoute } from '../http/context.ts';
import { createChatStreams } from './chat-stream.ts';
import { type Endpoint, json } from './endpoint.ts';
import { idempotencyKeyOf } from './idempotency.ts';
import { notFound } from './request.ts';
import { eventParams, failure, instant } from './shapes.ts';

const shownShape = z
  .object({
    event: z.string(),
    conversation: z.string(),
    state: z.enum(eventStates),
    receivedAt: instant,
    reply: z
      .object({ text: z.string(), disclosure: z.string().optional() })
      .optional()
      .describe('once a run has ended with one'),
    failure: failure.optional(),
  })
  .meta({ id: 'ChatEvent', description: 'A message of the caller, and what became of it.' });

/**
 * `/chat`: the journey of a delivery, with a token for its proof. Whether anybody answers is left to the worker, and shows
 * in the event's state: a caller who was told of no event would have nothing to ask for.
 */
export const mountChat =
  (
    deps: Omit<DeliverDeps, 'isRelevant'> & {
      readonly endpoint: Endpoint;
      readonly events: Events;
      /** The channel of a tenant; null for one that is not configured. */
      readonly channel: (tenant: string) => Channel | null;
      /** The body of a message, as the channel checks it. */
      readonly message: z.ZodType;
    },
  ) =>
  (app: App): void => {
    const { endpoint, events } = deps;
    const openStream = createChatStreams(deps);

    const say = {
      id: 'sendMessage',
      summary: 'Say something to the agent',
      description: 'The same journey as a delivery of a vendor: 202 means that the message is durable and is run once.',
      scope: 'chat:write',
      body: deps.message,
      readsBody: 'handler',
      answers: {
        202: {
          description: 'accepted, now or before',
          body: z.object({ event: z.string(), conversation: z.string() }),
          headers: { 'x-sallyport-outcome': '`accepted` or `duplicate`', 'x-sallyport-event': 'the id of the event' },
        },
      },
      errors: ['ERR_UNKNOWN_ROUTE', 'ERR_QUEUE_FULL', 'ERR_SHUTTING_DOWN'],
    } as const;
    app.post(
      '/chat',
      endpoint(say, async ({ c, caller: { tenant, subject } }) => {
        const requestId = deps.newRequestId();
        const channel = deps.channel(tenant);
        if (channel === null) return unknownRoute(requestId);
        const head = { tenant, url: c.req.url, headers: deps.headersOf(c), receivedAt: deps.clock() };
        const proof: CallerProof = { subject, idempotencyKey: idempotencyKeyOf(c.req.header('idempotency-key')) };
        const proven: Channel = { ...channel, authenticate: async () => proof };
        return deliver(c, { requestId, channel: proven, head }, deps);
      }),
    );

    const ask = {
      id: 'getMessage',
      summary: 'Ask what became of a message',
      description:
        "Only the caller's own. With `Accept: text/event-stream` the answer is a stream of server-sent events: `state` at each change of the state, and `end` when nothing more comes by itself, both with the body of the 200 as data; `close` with `{ code }` when the token has ended (`ERR_UNAUTHENTICATED`) or the process is stopping (`ERR_SHUTTING_DOWN`). A client that connects again with `Last-Event-ID` is told what is new to it.",
      scope: 'chat:read',
      params: eventParams,
      headers: {
        Accept: '`text/event-stream` for a stream',
        'Last-Event-ID': 'the id of the last event that a client saw of an earlier stream',
      },
      answers: {
        200: [
          { description: 'the message', body: shownShape },
          { description: 'its states', content: 'text/event-stream' },
        ],
        204: { description: 'the stream was ended before, and this client was told' },
      },
      errors: ['ERR_RATE_LIMITED'],
    } as const;
    app.get(
      '/chat/:id',
      endpoint(ask, async ({ c, caller, params: { id } }) => {
        const { tenant, subject } = caller;
        const channel = deps.channel(tenant);
        const look = async () => {
          const record = await events.get(tenant, id);
          const isOurs = record !== null && record.event.channel === channel?.name;
          const view = isOurs ? (channel.show?.(record, subject) ?? null) : null;
          if (record === null || view === null) throw notFound();
          return { record, view };
        };
        if (!wantsStream(c.req.header('accept'))) return json(200, (await look()).view);
        const owner = JSON.stringify([tenant, subject]);
        const lastEventId = c.req.header('last-event-id');
        return openStream({ owner, look, recheck: () => caller.recheck(), lastEventId });
      }),
    );
  };

/** Only a client that names the type wants a stream: everything else accepts it with its wildcard. */
const wantsStream = (accept: string | undefined): boolean =>
  (accept ?? '').split(',').some((range) => /^\s*text\/event-stream\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/i.test(range));
