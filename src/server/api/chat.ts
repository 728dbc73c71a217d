import type { Channel } from '../../channels/channel.ts';
import type { Events } from '../../queue/events.ts';
import { type DeliverDeps, deliver } from '../hooks/hooks.ts';
import { type App, unknownRoute } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import { eventId, notFound } from './request.ts';

export interface ChatRoutesDeps extends Omit<DeliverDeps, 'isRelevant'> {
  readonly authorize: Authorize;
  readonly events: Events;
  /** The channel of a tenant; null for one that is not configured. */
  readonly channel: (tenant: string) => Channel | null;
}

/**
 * `/chat`: the journey of a delivery, with a token for its proof. Whether anybody answers is left to the worker, and shows
 * in the event's state: a caller who was told of no event would have nothing to ask for.
 */
export const mountChat =
  (deps: ChatRoutesDeps) =>
  (app: App): void => {
    const { authorize, events } = deps;
    app.post('/chat', async (c) => {
      const { tenant, subject } = await authorize(c, 'chat:write');
      const requestId = deps.newRequestId();
      const channel = deps.channel(tenant);
      if (channel === null) return unknownRoute(requestId);
      const head = { tenant, url: c.req.url, headers: deps.headersOf(c), receivedAt: deps.clock() };
      const proven: Channel = { ...channel, authenticate: async () => ({ subject }) };
      return deliver(c, { requestId, channel: proven, head }, deps);
    });
    app.get('/chat/:id', async (c) => {
      const { tenant, subject } = await authorize(c, 'chat:read');
      const channel = deps.channel(tenant);
      const record = await events.get(tenant, eventId(c));
      const isOurs = record !== null && record.event.channel === channel?.name;
      const shown = isOurs ? (channel.show?.(record, subject) ?? null) : null;
      if (shown === null) throw notFound();
      return c.json(shown);
    });
  };
