import * as z from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import { SallyportError } from '../../core/errors.ts';
import type { ChannelName } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Logger } from '../../core/logger.ts';
import { type Erasure, foldedId, type Person } from '../../queue/erasure.ts';
import type { Events } from '../../queue/events.ts';
import type { IdempotencyKeys, StoredAnswer } from '../../queue/records/idempotency-keys.ts';
import type { App } from '../http/context.ts';
import { problem } from '../http/respond.ts';
import { type Endpoint, json } from './endpoint.ts';
import { count } from './shapes.ts';

/** Of a channel's id of a person. */
const MAX_USER_CHARS = 512;

/** One call looks no longer for events, in ms: clients and proxies wait for 30 s and more. */
const CALL_MS = 10_000;

/** In the place of an id that cannot stand in a path. */
const IN_QUERY = '-';

const user = z.string().min(1).max(MAX_USER_CHARS);

const erasedShape = z.object({
  id: z.string().describe('a keyed digest of tenant, channel and user: the `subject` of the audit entries'),
  complete: z.boolean().describe('false: call again with `cursor`; what follows the events comes with the last call'),
  cursor: z.string().nullable(),
  events: count.describe('erased by this call'),
  cancelled: count.describe('those of them that had not ended; they are `ignored` with `ERR_ERASED` and never run'),
  turns: count.describe('questions with their answers that agents remembered'),
  answers: count.describe('answers kept for `Idempotency-Key` that showed erased events'),
  files: z
    .enum(['clean', 'pending'])
    .describe("`pending`: bytes may be left in the store's files, such as a Redis' append-only file, until a rewrite"),
});

/** `/users`: erases what a person of the caller's own tenant said, and what was made of it. */
export const mountUsers =
  ({
    erasure,
    events,
    keys,
    forgetTurns,
    digest,
    endpoint,
    channelNames,
    audit,
    newRequestId,
    logger,
  }: {
    readonly erasure: Erasure;
    readonly events: Events;
    readonly keys: IdempotencyKeys;
    /** Drops what agents remember of a person, and says how many turns that were. */
    readonly forgetTurns: (person: Person) => Promise<number>;
    readonly digest: Identifier['digest'];
    readonly endpoint: Endpoint;
    readonly channelNames: readonly ChannelName[];
    readonly audit: RecordAudit;
    readonly newRequestId: () => string;
    readonly logger: Logger;
  }) =>
  (app: App): void => {
    const noChannel = { error: `no such channel; must be one of ${channelNames.join(', ')}` };
    const erase = {
      id: 'eraseUser',
      summary: 'Erase what a person said and what was made of it',
      description:
        'Texts, payloads, replies, journals, memory and kept answers of the person go; ids, times, states, usage and the audit stay, ' +
        'so that late deliveries are still known. What has not ended never runs. ' +
        'It can be called again at any time, and must be while `complete` is false. An id with a slash is given as `?user=`, with `-` in the path.',
      scope: 'users:erase',
      params: z.object({ channel: z.enum(channelNames, noChannel), user }),
      query: z.strictObject({
        cursor: z
          .string()
          .regex(/^\w{1,40}$/, { error: 'must be the cursor of an earlier answer' })
          .optional()
          .describe('`cursor` of the answer before'),
        user: user.optional().describe('the id, where the path has `-`'),
      }),
      answers: { 200: { description: 'what was erased', body: erasedShape } },
    } as const;
    app.delete(
      '/users/:channel/:user',
      endpoint(erase, async ({ caller: { tenant, subject: by }, params, query }) => {
        const { channel } = params;
        const person: Person = { tenant, channel, user: userOf(params.user, query.user) };
        // The audit is kept for longer than anything else and must not name who wanted to be forgotten.
        const subject = `user_${digest('erased-user', [tenant, channel, foldedId(person.user)])}`;
        const entry = { actor: `user:${by}`, subject } as const;
        await audit(tenant, [{ ...entry, action: 'user.erased', data: { channel } }]);
        const found = await eraseEvents(erasure, person, query.cursor);
        const isComplete = found.cursor === undefined;
        // Last, when no run that could still write any of it has a lease.
        const turns = isComplete ? await forgetTurns(person) : 0;
        const answers = isComplete
          ? await keys.erase(tenant, createIsErased(events, tenant), await gone(newRequestId()))
          : 0;
        const files: 'clean' | 'pending' = isComplete && (await erasure.flush()) ? 'clean' : 'pending';
        const counts = { events: found.events, cancelled: found.cancelled, turns, answers };
        const data = { channel, complete: isComplete, ...counts };
        await audit(tenant, [{ ...entry, action: 'user.erasure_finished', data }]);
        logger.info({ tenant, channel, subject, by, complete: isComplete, ...counts }, 'user.erased');
        return json(200, {
          id: subject,
          complete: isComplete,
          cursor: found.cursor ?? null,
          ...counts,
          files,
        });
      }),
    );
  };

/** @throws SallyportError ERR_INVALID_REQUEST: it is given twice, or not at all */
function userOf(inPath: string, inQuery: string | undefined): string {
  if (inPath !== IN_QUERY && inQuery === undefined) return inPath;
  if (inPath === IN_QUERY && inQuery !== undefined) return inQuery;
  const message = `must be given when the path has ${IN_QUERY}, and not otherwise`;
  throw new SallyportError('ERR_INVALID_REQUEST', `user: ${message}`, { errors: [{ path: 'user', message }] });
}

interface Found {
  readonly events: number;
  readonly cancelled: number;
  /** Absent: all events have been looked at. */
  readonly cursor?: string;
}

async function eraseEvents(erasure: Erasure, person: Person, from: string | undefined): Promise<Found> {
  const givesUpAt = performance.now() + CALL_MS;
  let [events, cancelled, cursor] = [0, 0, from];
  do {
    const page = await erasure.erase(person, cursor);
    events += page.events;
    cancelled += page.cancelled;
    cursor = page.cursor;
  } while (cursor !== undefined && performance.now() < givesUpAt);
  return { events, cancelled, ...(cursor === undefined ? {} : { cursor }) };
}

/** As `Identifier.eventId` makes them. */
const EVENT_ID = /ev_[0-9A-HJKMNP-TV-Z]{26}/g;

/**
 * Makes what tells whether a kept answer shows an event that was erased, by whichever call, or whose retention is over.
 * @throws SallyportError ERR_STORE_UNAVAILABLE
 */
function createIsErased(events: Events, tenant: string): (body: string) => Promise<boolean> {
  const known = new Map<string, boolean>();
  const isErased = async (id: string): Promise<boolean> => {
    const record = await events.get(tenant, id);
    return record === null || record.event.erasedAt !== undefined;
  };
  return async (body) => {
    for (const [id] of body.matchAll(EVENT_ID)) {
      const answer = known.get(id) ?? (await isErased(id));
      known.set(id, answer);
      if (answer) return true;
    }
    return false;
  };
}

/** What stands in the place of an answer that showed an erased event. */
async function gone(requestId: string): Promise<StoredAnswer> {
  const answer = problem(new SallyportError('ERR_ERASED', 'the event was erased'), requestId);
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
}
