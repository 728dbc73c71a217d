import { z } from 'zod';
import type { AuditAction, RecordAudit } from '../../core/audit/entry.ts';
import { SallyportError } from '../../core/errors.ts';
import { type ChannelName, type EventRecord, eventStates, type Run } from '../../core/event.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { EventFilter, Events, Resolved, Transition } from '../../queue/events.ts';
import type { App, AppContext } from '../http/context.ts';
import type { Authorize, Caller } from './auth.ts';
import { eventId, notFound, pageQuery, readJson, readQuery } from './request.ts';

const resolveBody = z.strictObject({
  effect: z.string().min(1).max(200),
  outcome: z.enum(['delivered', 'not_delivered']),
});

/** `/events`: what was accepted and what became of it. Every call sees only its own tenant. */
export const mountEvents =
  ({
    events,
    authorize,
    audit,
    channelNames,
  }: {
    readonly events: Events;
    readonly authorize: Authorize;
    readonly audit: RecordAudit;
    /** What `channel` may ask for. */
    readonly channelNames: readonly ChannelName[];
  }) =>
  (app: App): void => {
    const query = eventQuery(channelNames);

    /** Answers with the changed event, once the audit knows who changed it. */
    const answer = async (
      c: AppContext,
      { tenant, subject }: Caller,
      action: AuditAction,
      { transition, data = {} }: { transition: Transition | Resolved; data?: JsonObject },
    ): Promise<Response> => {
      const view = changed(transition);
      const { id, generation } = view;
      await audit(tenant, [{ actor: `user:${subject}`, action, subject: id, data: { generation, ...data } }]);
      return c.json(view);
    };

    app.get('/events', async (c) => {
      const { tenant } = await authorize(c, 'events:read');
      const page = await events.list(tenant, withoutUndefined(readQuery(c, query)));
      return c.json({ events: page.events.map(eventView), cursor: page.cursor ?? null });
    });
    app.get('/events/:id', async (c) => {
      const { tenant } = await authorize(c, 'events:read');
      const record = await events.get(tenant, eventId(c));
      if (record === null) throw notFound();
      return c.json(eventView(record));
    });
    app.post('/events/:id/redrive', async (c) => {
      const caller = await authorize(c, 'events:write');
      const transition = await events.redrive(caller.tenant, eventId(c));
      return answer(c, caller, 'event.redriven', { transition });
    });
    app.post('/events/:id/resolve', async (c) => {
      const caller = await authorize(c, 'events:write');
      const id = eventId(c);
      const { effect, outcome } = await readJson(c, resolveBody);
      const transition = await events.resolve(caller.tenant, id, effect, outcome);
      return answer(c, caller, 'event.resolved', { transition, data: { effect, outcome } });
    });
    app.post('/events/:id/park', async (c) => {
      const caller = await authorize(c, 'events:write');
      const transition = await events.park(caller.tenant, eventId(c));
      return answer(c, caller, 'event.parked', { transition, data: { code: 'ERR_PARKED_BY_OPERATOR' } });
    });
  };

function changed(transition: Transition | Resolved): EventView {
  switch (transition.kind) {
    case 'ok':
      return eventView(transition.record);
    case 'not_found':
      throw notFound();
    case 'no_effect':
      throw new SallyportError('ERR_NOT_FOUND', 'the event has no such effect under way');
    case 'wrong_state':
      throw new SallyportError('ERR_WRONG_STATE', 'the event is in another state');
    case 'reply_delivered':
      throw new SallyportError('ERR_REPLY_DELIVERED', 'its reply was delivered');
    case 'ambiguous':
      throw new SallyportError('ERR_AMBIGUOUS_EFFECT', 'an effect has an unknown outcome');
  }
}

const eventQuery = (channelNames: readonly ChannelName[]) =>
  z.strictObject({
    state: z.enum(eventStates).optional(),
    channel: z.enum(channelNames).optional(),
    ...pageQuery,
  });

/** zod gives `undefined` for absent fields; the port wants them absent. */
function withoutUndefined({ state, channel, cursor, limit }: z.output<ReturnType<typeof eventQuery>>): EventFilter {
  return {
    limit,
    ...(state === undefined ? {} : { state }),
    ...(channel === undefined ? {} : { channel }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** An event as the API shows it; the shape is public. */
function eventView({ event, state, generation, attempts, deliveries, runs, failure }: EventRecord) {
  return {
    id: event.id,
    tenant: event.tenant,
    channel: event.channel,
    kind: event.kind,
    state,
    generation,
    receivedAt: new Date(event.receivedAt).toISOString(),
    deliveries,
    attempts,
    conversation: event.conversation.name,
    mentioned: event.mentioned,
    runs: runs.map(runView),
    ...(failure === undefined ? {} : { failure }),
  };
}

type EventView = ReturnType<typeof eventView>;

function runView({ startedAt, finishedAt, outcome, usage, agent, reply, code }: Run) {
  return {
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: finishedAt === undefined ? null : new Date(finishedAt).toISOString(),
    outcome,
    usage,
    ...(agent === undefined ? {} : { agent }),
    ...(reply === undefined ? {} : { reply }),
    ...(code === undefined ? {} : { code }),
  };
}
