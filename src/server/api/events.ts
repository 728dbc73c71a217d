import * as z from 'zod';
import type { AuditAction, RecordAudit } from '../../core/audit/entry.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, SallyportError } from '../../core/errors.ts';
import {
  type ChannelName,
  type EventRecord,
  type EventState,
  eventStates,
  type Run,
  replyStates,
  runOutcomes,
} from '../../core/event.ts';
import { failureOf } from '../../core/failure.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { RemedyOf } from '../../core/remedies.ts';
import type { EventFilter, Events, Resolved, Transition } from '../../queue/events.ts';
import type { App } from '../http/context.ts';
import type { Caller } from './auth.ts';
import { type Endpoint, json } from './endpoint.ts';
import type { TellRead } from './refusals.ts';
import { notFound, pageQuery } from './request.ts';
import { causeFields, count, errorCode, eventParams, instant, nextCursor } from './shapes.ts';

const resolveBody = z.strictObject({
  effect: z.string().min(1).max(200).describe('its step in the journal, such as `reply`'),
  outcome: z.enum(['delivered', 'not_delivered']),
});

const runShape = z.object({
  startedAt: instant,
  finishedAt: instant.nullable(),
  outcome: z.enum(runOutcomes),
  usage: z.object({ usdMicros: count, inputTokens: count, outputTokens: count, modelCalls: count, toolCalls: count }),
  agent: z.string().optional(),
  reply: z.object({ text: z.string(), disclosure: z.string().optional(), state: z.enum(replyStates) }).optional(),
  code: errorCode.optional(),
  ...causeFields,
});

const eventFailure = z.object({
  code: errorCode,
  lastCode: errorCode.optional().describe('when no attempt or time is left: the code of the last attempt'),
  ...causeFields,
  remedy: z.string().describe('what to do about it'),
});

const eventShape = z
  .object({
    id: z.string(),
    tenant: z.string(),
    channel: z.string(),
    kind: z.string(),
    state: z.enum(eventStates),
    generation: count.describe('1 at first; each redrive adds one'),
    receivedAt: instant,
    deliveries: count.describe('the first included'),
    attempts: count.describe('in this generation'),
    conversation: z.string(),
    mentioned: z.boolean(),
    runs: z.array(runShape),
    failure: eventFailure.optional(),
    erasedAt: instant.optional().describe('when what its author said was erased'),
  })
  .meta({ id: 'Event', description: 'What was accepted and what became of it; not what its sender wrote.' });

const changedAnswer = { 200: { description: 'the event as it is now', body: eventShape } };

/** `/events`: what was accepted and what became of it. Every call sees only its own tenant. */
export const mountEvents =
  ({
    events,
    endpoint,
    audit,
    tellRead,
    channelNames,
    remedyOf,
  }: {
    readonly events: Events;
    readonly endpoint: Endpoint;
    readonly audit: RecordAudit;
    readonly tellRead: TellRead;
    /** What `channel` may ask for. */
    readonly channelNames: readonly ChannelName[];
    readonly remedyOf: RemedyOf;
  }) =>
  (app: App): void => {
    const eventView = createEventView(remedyOf);

    /** Puts what an operator does to an event into the audit, does it, and answers with the changed event. */
    const change = async ({ tenant, subject }: Caller, id: string, { action, from, data, make }: Change) => {
      const before = await events.get(tenant, id);
      if (before === null) throw notFound();
      if (!from.includes(before.state)) throw wrongState();
      const about = { actor: `user:${subject}`, subject: id } as const;
      await audit(tenant, [{ ...about, action, data: data(before) }]);
      const transition = await make(tenant);
      try {
        return json(200, eventView(changedRecord(transition)));
      } catch (error) {
        // Another caller, or the event's own run, was faster; the entry says too much.
        await audit(tenant, [{ ...about, action: 'event.refused', data: { code: codeOf(error) } }]);
        throw error;
      }
    };

    const list = {
      id: 'listEvents',
      summary: 'List events, the latest first',
      scope: 'events:read',
      query: eventQuery(channelNames),
      answers: {
        200: { description: 'a page', body: z.object({ events: z.array(eventShape), cursor: nextCursor }) },
      },
    } as const;
    app.get(
      '/events',
      endpoint(list, async ({ caller, query }) => {
        const page = await events.list(caller.tenant, withoutUndefined(query));
        if (page.events.some(holdsContent)) await tellRead(caller.tenant, caller.subject, 'events');
        return json(200, { events: page.events.map(eventView), cursor: page.cursor ?? null });
      }),
    );

    const show = {
      id: 'getEvent',
      summary: 'Show an event with its runs',
      scope: 'events:read',
      params: eventParams,
      answers: { 200: { description: 'the event', body: eventShape } },
    } as const;
    app.get(
      '/events/:id',
      endpoint(show, async ({ caller, params }) => {
        const record = await events.get(caller.tenant, params.id);
        if (record === null) throw notFound();
        if (holdsContent(record)) await tellRead(caller.tenant, caller.subject, params.id);
        return json(200, eventView(record));
      }),
    );

    const redrive = {
      id: 'redriveEvent',
      summary: 'Run a parked event again',
      description: 'As a new generation, at the end of its conversation.',
      scope: 'events:write',
      params: eventParams,
      answers: changedAnswer,
      errors: ['ERR_WRONG_STATE', 'ERR_REPLY_DELIVERED', 'ERR_AMBIGUOUS_EFFECT'],
    } as const;
    app.post(
      '/events/:id/redrive',
      endpoint(redrive, ({ caller, params: { id } }) =>
        change(caller, id, {
          action: 'event.redriven',
          from: ['parked'],
          data: ({ generation }) => ({ generation: generation + 1 }),
          make: (tenant) => events.redrive(tenant, id),
        }),
      ),
    );

    const resolve = {
      id: 'resolveEffect',
      summary: 'Say what became of an effect with an unknown outcome',
      description:
        'For an event that is parked with `ERR_AMBIGUOUS_EFFECT`. `delivered` ends it; `not_delivered` allows a redrive.',
      scope: 'events:write',
      params: eventParams,
      body: resolveBody,
      answers: changedAnswer,
      errors: ['ERR_WRONG_STATE'],
    } as const;
    app.post(
      '/events/:id/resolve',
      endpoint(resolve, ({ caller, params: { id }, body: { effect, outcome } }) =>
        change(caller, id, {
          action: 'event.resolved',
          from: ['parked'],
          data: ({ generation }) => ({ generation, effect, outcome }),
          make: (tenant) => events.resolve(tenant, id, effect, outcome),
        }),
      ),
    );

    const park = {
      id: 'parkEvent',
      summary: 'Take an event out of its conversation until it is redriven',
      description: 'A run that is going on loses its lease and sends nothing more.',
      scope: 'events:write',
      params: eventParams,
      answers: changedAnswer,
      errors: ['ERR_WRONG_STATE'],
    } as const;
    app.post(
      '/events/:id/park',
      endpoint(park, ({ caller, params: { id } }) =>
        change(caller, id, {
          action: 'event.parked',
          from: ['queued', 'running', 'waiting'],
          data: ({ generation }) => ({ generation, code: 'ERR_PARKED_BY_OPERATOR' }),
          make: (tenant) => events.park(tenant, id),
        }),
      ),
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

/** @throws SallyportError when the event was not changed */
function changedRecord(transition: Transition | Resolved): EventRecord {
  switch (transition.kind) {
    case 'ok':
      return transition.record;
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
    ...defined({ state, channel, cursor }),
  };
}

/** An event as the API shows it; the shape is public. */
const createEventView =
  (remedyOf: RemedyOf) =>
  (record: EventRecord): z.input<typeof eventShape> => {
    const { event, state, generation, attempts, deliveries, runs } = record;
    const failure = failureOf(record);
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
      ...(failure !== undefined && { failure: { ...failure, remedy: remedyOf(event.channel, failure) } }),
      ...(event.erasedAt !== undefined && { erasedAt: new Date(event.erasedAt).toISOString() }),
    };
  };

function runView({ startedAt, finishedAt, outcome, usage, ...rest }: Run): z.input<typeof runShape> {
  const { agent, reply, code, cause, status } = rest;
  return {
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: finishedAt === undefined ? null : new Date(finishedAt).toISOString(),
    outcome,
    usage,
    ...defined({ agent, reply, code, cause, status }),
  };
}
