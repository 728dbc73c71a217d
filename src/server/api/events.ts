import { z } from 'zod';
import type { AuditAction, RecordAudit } from '../../core/audit/entry.ts';
import { codeOf, SallyportError } from '../../core/errors.ts';
import { type ChannelName, type EventRecord, type EventState, eventStates, type Run } from '../../core/event.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { Scope } from '../../core/scope.ts';
import type { EventFilter, Events, Resolved, Transition } from '../../queue/events.ts';
import type { App, AppContext } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import type { TellRead } from './refusals.ts';
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
    tellRead,
    channelNames,
  }: {
    readonly events: Events;
    readonly authorize: Authorize;
    readonly audit: RecordAudit;
    readonly tellRead: TellRead;
    /** What `channel` may ask for. */
    readonly channelNames: readonly ChannelName[];
  }) =>
  (app: App): void => {
    const query = eventQuery(channelNames);

    /** Puts what an operator does to an event into the audit, does it, and answers with the changed event. */
    const change = async (c: AppContext, scope: Scope, planOf: (id: string) => Promise<Change> | Change) => {
      const { tenant, subject } = await authorize(c, scope);
      const id = eventId(c);
      const { action, from, data, make } = await planOf(id);
      const before = await events.get(tenant, id);
      if (before === null) throw notFound();
      if (!from.includes(before.state)) throw wrongState();
      const about = { actor: `user:${subject}`, subject: id } as const;
      await audit(tenant, [{ ...about, action, data: data(before) }]);
      const transition = await make(tenant);
      try {
        return c.json(changed(transition));
      } catch (error) {
        // Another caller, or the event's own run, was faster; the entry says too much.
        await audit(tenant, [{ ...about, action: 'event.refused', data: { code: codeOf(error) } }]);
        throw error;
      }
    };

    app.get('/events', async (c) => {
      const { tenant, subject } = await authorize(c, 'events:read');
      const page = await events.list(tenant, withoutUndefined(readQuery(c, query)));
      if (page.events.some(holdsContent)) await tellRead(tenant, subject, 'events');
      return c.json({ events: page.events.map(eventView), cursor: page.cursor ?? null });
    });
    app.get('/events/:id', async (c) => {
      const { tenant, subject } = await authorize(c, 'events:read');
      const record = await events.get(tenant, eventId(c));
      if (record === null) throw notFound();
      if (holdsContent(record)) await tellRead(tenant, subject, record.event.id);
      return c.json(eventView(record));
    });
    app.post('/events/:id/redrive', (c) =>
      change(c, 'events:write', (id) => ({
        action: 'event.redriven',
        from: ['parked'],
        data: ({ generation }) => ({ generation: generation + 1 }),
        make: (tenant) => events.redrive(tenant, id),
      })),
    );
    app.post('/events/:id/resolve', (c) =>
      change(c, 'events:write', async (id) => {
        const { effect, outcome } = await readJson(c, resolveBody);
        return {
          action: 'event.resolved',
          from: ['parked'],
          data: ({ generation }) => ({ generation, effect, outcome }),
          make: (tenant) => events.resolve(tenant, id, effect, outcome),
        };
      }),
    );
    app.post('/events/:id/park', (c) =>
      change(c, 'events:write', (id) => ({
        action: 'event.parked',
        from: ['queued', 'running', 'waiting'],
        data: ({ generation }) => ({ generation, code: 'ERR_PARKED_BY_OPERATOR' }),
        make: (tenant) => events.park(tenant, id),
      })),
    );
  };

/** What an operator may do to an event. */
interface Change {
  readonly action: AuditAction;
  /** States in which there is any use in trying: of an event in another one nothing is put into the audit. */
  readonly from: readonly EventState[];
  /** For the audit, of the event as it is before. */
  readonly data: (before: EventRecord) => JsonObject;
  readonly make: (tenant: string) => Promise<Transition | Resolved>;
}

/** Whether the view of an event shows what an agent wrote. */
const holdsContent = ({ runs }: EventRecord): boolean => runs.some(({ reply }) => reply !== undefined);

const wrongState = (): SallyportError => new SallyportError('ERR_WRONG_STATE', 'the event is in another state');

function changed(transition: Transition | Resolved): EventView {
  switch (transition.kind) {
    case 'ok':
      return eventView(transition.record);
    case 'not_found':
      throw notFound();
    case 'no_effect':
      throw new SallyportError('ERR_NOT_FOUND', 'the event has no such effect under way');
    case 'wrong_state':
      throw wrongState();
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
