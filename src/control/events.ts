import { z } from 'zod';
import { SallyportError } from '../core/errors.ts';
import { channelNames, eventStates } from '../core/event.ts';
import type { App, AppContext } from '../ingress/context.ts';
import type { EventFilter, Events, Transition } from '../queue/events.ts';
import type { Authorize } from './auth.ts';
import { type EventView, eventView } from './event-view.ts';

export interface EventRoutesDeps {
  readonly events: Events;
  readonly authorize: Authorize;
}

/** Rows of a page unless told otherwise. */
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

const query = z.strictObject({
  state: z.enum(eventStates).optional(),
  channel: z.enum(channelNames).optional(),
  cursor: z
    .string()
    .regex(/^[\w.~-]{1,200}$/)
    .optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/)
    .transform(Number)
    .refine((limit) => limit <= MAX_LIMIT)
    .default(DEFAULT_LIMIT),
});

/** `/events`: what was accepted and what became of it. Every call sees only its own tenant. */
export const mountEvents =
  ({ events, authorize }: EventRoutesDeps) =>
  (app: App): void => {
    app.get('/events', async (c) => {
      const { tenant } = await authorize(c, 'events:read');
      const parsed = query.safeParse(c.req.query());
      if (!parsed.success) throw new SallyportError('ERR_INVALID_REQUEST', 'the query is not valid');
      const page = await events.list(tenant, withoutUndefined(parsed.data));
      return c.json({ events: page.events.map(eventView), cursor: page.cursor ?? null });
    });
    app.get('/events/:id', async (c) => {
      const { tenant } = await authorize(c, 'events:read');
      const record = await events.get(tenant, eventId(c));
      if (record === null) throw notFound();
      return c.json(eventView(record));
    });
    app.post('/events/:id/redrive', async (c) => {
      const { tenant } = await authorize(c, 'events:write');
      return c.json(changed(await events.redrive(tenant, eventId(c))));
    });
    app.post('/events/:id/park', async (c) => {
      const { tenant } = await authorize(c, 'events:write');
      return c.json(changed(await events.park(tenant, eventId(c))));
    });
  };

/** Names of records go into keys of the store: what is not one of our ids is not even asked for. */
function eventId(c: AppContext): string {
  const id = c.req.param('id') ?? '';
  if (!/^ev_[0-9A-Z]{26}$/.test(id)) throw notFound();
  return id;
}

const notFound = (): SallyportError => new SallyportError('ERR_NOT_FOUND', 'no such event');

function changed(transition: Transition): EventView {
  switch (transition.kind) {
    case 'ok':
      return eventView(transition.record);
    case 'not_found':
      throw notFound();
    case 'wrong_state':
      throw new SallyportError('ERR_WRONG_STATE', 'the event is in another state');
    case 'reply_delivered':
      throw new SallyportError('ERR_REPLY_DELIVERED', 'its reply was delivered');
    case 'ambiguous':
      throw new SallyportError('ERR_AMBIGUOUS_EFFECT', 'an effect has an unknown outcome');
  }
}

/** zod gives `undefined` for absent fields; the port wants them absent. */
function withoutUndefined({ state, channel, cursor, limit }: z.output<typeof query>): EventFilter {
  return {
    limit,
    ...(state === undefined ? {} : { state }),
    ...(channel === undefined ? {} : { channel }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}
