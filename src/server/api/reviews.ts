import * as z from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, SallyportError } from '../../core/errors.ts';
import type { EventRecord, HeldReply } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import { type ReviewPolicy, replyDigest, requesterNames, sameCase } from '../../core/review.ts';
import type { Events } from '../../queue/events.ts';
import type { ReviewAction, Reviewed, Reviews } from '../../queue/reviews.ts';
import type { App } from '../http/context.ts';
import { type Answers, type Asked, type Endpoint, json } from './endpoint.ts';
import { createRefusals, type TellOnce, type TellRead } from './refusals.ts';
import { notFound, pageQuery } from './request.ts';
import { count, eventParams, instant, nextCursor } from './shapes.ts';

export interface ReviewRoutesDeps {
  readonly events: Events;
  readonly reviews: Reviews;
  readonly endpoint: Endpoint;
  readonly reviewPolicy: (tenant: string) => ReviewPolicy;
  readonly identifier: Identifier;
  /** Takes secrets out. */
  readonly clean: (text: string) => string;
  /**
   * What an agent's reply passes before anybody sees it, for a text a person (a token's subject) wrote in its place.
   * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE
   */
  readonly checkReply: (record: HeldRecord, text: string, by: string) => Promise<string>;
  readonly audit: RecordAudit;
  readonly tellRead: TellRead;
  readonly clock: Clock;
  readonly logger: Logger;
}

const listQuery = z.strictObject(pageQuery);
/** Any text may be asked about: what is no digest of ours is simply not the held one. */
const digest = z.string().min(1).max(200).optional().describe('what was seen; not needed with `If-Match`');
const approveBody = z.strictObject({ digest });
const editBody = z.strictObject({ digest, text: z.string().max(40_000).regex(/\S/) });
const rejectBody = z.strictObject({ digest, reason: z.string().max(1_000).regex(/\S/).optional() });

const reviewStates = ['waiting', 'approved', 'rejected', 'expired'] as const;

const reviewShape = z
  .object({
    id: z.string(),
    tenant: z.string(),
    channel: z.string(),
    conversation: z.string(),
    state: z.enum(reviewStates),
    digest: z.string().describe('stands for `text` and `destination` together'),
    text: z.string().describe('exactly what is sent once it is approved'),
    destination: z.record(z.string(), z.unknown()),
    version: count.describe('1 as the agent wrote it; each edit adds one'),
    question: z.string(),
    requester: z.object({ id: z.string(), kind: z.enum(['user', 'app', 'unknown']) }),
    heldAt: instant,
    expiresAt: instant,
    editedBy: z.string().optional(),
    decision: z
      .object({ kind: z.enum(['approved', 'rejected']), by: z.string(), at: instant, reason: z.string().optional() })
      .optional(),
  })
  .meta({ id: 'Review', description: 'A reply that waits for a person, or about which one has decided.' });

const ETAG = { ETag: 'the digest in quotes while the reply waits; with a dot and the state after it was decided' };

/** `/reviews`: replies that wait for a person, and what they decide. Every call sees only its own tenant. */
export const mountReviews =
  (deps: ReviewRoutesDeps) =>
  (app: App): void => {
    const { events, reviews, endpoint, clean, checkReply, identifier, tellRead } = deps;
    const deciding = { ...deps, tellRefusal: createRefusals(deps.audit) };

    const list = {
      id: 'listReviews',
      summary: 'List replies that wait for a person',
      scope: 'reviews:read',
      query: listQuery,
      answers: {
        200: { description: 'a page', body: z.object({ reviews: z.array(reviewShape), cursor: nextCursor }) },
      },
    } as const;
    app.get(
      '/reviews',
      endpoint(list, async ({ caller: { tenant, subject }, query: { cursor, limit } }) => {
        await reviews.sweep(tenant);
        const page = await events.list(tenant, { state: 'review', limit, ...defined({ cursor }) });
        const held = page.events.filter(isHeld);
        if (held.length > 0) await tellRead(tenant, subject, 'reviews');
        return json(200, { reviews: held.map(reviewView), cursor: page.cursor ?? null });
      }),
    );

    const show = {
      id: 'getReview',
      summary: 'Show a held reply',
      scope: 'reviews:read',
      params: eventParams,
      headers: { 'If-None-Match': 'answers 304 without a body while this is the ETag' },
      answers: {
        200: { description: 'the held reply', body: reviewShape, headers: ETAG },
        304: { description: 'it is as the caller knows it', headers: ETAG },
      },
    } as const;
    app.get(
      '/reviews/:id',
      endpoint(show, async ({ c, caller: { tenant, subject }, params }) => {
        await reviews.sweep(tenant);
        const body = reviewView(await heldRecord(events, tenant, params.id));
        const etag = etagOf(body);
        const known = tagsIn(c.req.header('if-none-match'));
        // Weak comparison (RFC 9110, 13.1.2).
        if (known === '*' || known.some((tag) => tag.replace(/^W\//, '') === etag)) return c.body(null, 304, { etag });
        await tellRead(tenant, subject, params.id);
        return json(200, body, { etag });
      }),
    );

    const decision = {
      scope: 'reviews:decide',
      params: eventParams,
      headers: {
        'If-Match': 'the ETag of what was seen, instead of `digest` or beside it; 412 when another text is held',
      },
      errors: [
        'ERR_WRONG_STATE',
        'ERR_REVIEW_CHANGED',
        'ERR_REVIEW_EXPIRED',
        'ERR_REVIEW_OWN',
        'ERR_REVIEW_NOT_APPROVER',
        'ERR_PRECONDITION_FAILED',
      ],
    } as const;
    const answering = (description: string) =>
      ({ 200: { description, body: reviewShape, headers: ETAG } }) as const satisfies Answers;
    const approve = {
      ...decision,
      id: 'approveReview',
      summary: 'Send the held reply as it is',
      description: 'The approval names a digest of text and destination, so exactly what was seen is sent.',
      body: approveBody,
      answers: answering('approved'),
    } as const;
    app.post(
      '/reviews/:id/approve',
      endpoint(approve, (asked) => decided(asked, deciding, async () => ({ kind: 'approve' }))),
    );
    const edit = {
      ...decision,
      id: 'editReview',
      summary: 'Put another text in the place of the held one',
      description: "It passes the checks that an agent's reply passes, has a new digest, and waits for a decision.",
      body: editBody,
      answers: answering('the reply as it is now, with its new digest'),
      errors: [...decision.errors, 'ERR_GUARDRAIL_BLOCKED', 'ERR_GUARDRAIL_UNAVAILABLE'],
    } as const;
    app.post(
      '/reviews/:id/edit',
      endpoint(edit, (asked) =>
        decided(asked, deciding, async (record) => {
          const text = await checkReply(record, asked.body.text, asked.caller.subject);
          const { event, review } = record;
          const version = review.version + 1;
          return { kind: 'edit', text, digest: replyDigest(identifier, { ...review, event, version, text }) };
        }),
      ),
    );
    const reject = {
      ...decision,
      id: 'rejectReview',
      summary: 'Send nothing',
      body: rejectBody,
      answers: answering('rejected'),
    } as const;
    app.post(
      '/reviews/:id/reject',
      endpoint(reject, (asked) =>
        decided(asked, deciding, async () => {
          const { reason } = asked.body;
          return reason === undefined ? { kind: 'reject' } : { kind: 'reject', reason: clean(reason) };
        }),
      ),
    );
  };

const etagOf = ({ digest: held, state }: z.input<typeof reviewShape>): string =>
  state === 'waiting' ? `"${held}"` : `"${held}.${state}"`;

/** The entity tags of a conditional header, quotes included; none without the header. */
function tagsIn(header: string | undefined): readonly string[] | '*' {
  const given = header?.trim() ?? '';
  return given === '*' ? '*' : (given.match(/(?:W\/)?"[^"]*"/g) ?? []);
}

/**
 * The digest that a decision is about: that of the body, or of `If-Match`. `*` names none, so it decides about nothing.
 * @throws SallyportError ERR_PRECONDITION_FAILED: `If-Match` names another text; ERR_INVALID_REQUEST: neither names one
 */
function seenDigest(ifMatch: string | undefined, inBody: string | undefined, record: HeldRecord): string {
  const tags = tagsIn(ifMatch);
  const held = record.review.digest;
  // Strong comparison (RFC 9110, 13.1.1). A reply that was decided about has another tag, and its state says more.
  const isSame = tags === '*' || tags.some((tag) => tag === `"${held}"` || tag.startsWith(`"${held}.`));
  if (ifMatch !== undefined && !isSame) throw refusalOf.unmatched();
  const seen = inBody ?? (ifMatch === undefined || tags === '*' ? undefined : held);
  if (seen !== undefined) return seen;
  const error = { path: 'digest', message: 'is required, or If-Match with the ETag of what was seen' };
  throw new SallyportError('ERR_INVALID_REQUEST', `${error.path}: ${error.message}`, { errors: [error] });
}

/** An action before it is known who does it, and when. */
type Plan =
  | { readonly kind: 'approve' }
  | { readonly kind: 'reject'; readonly reason?: string }
  | { readonly kind: 'edit'; readonly text: string; readonly digest: string };

/**
 * Reads what was asked, checks who asks, puts the decision into the audit, and makes it: the audit may name a decision
 * twice, or one that a `review.refused` after it takes back, but lacks none.
 */
async function decided(
  {
    c,
    caller,
    params: { id },
    body,
  }: Asked<{ readonly id: string }, unknown, { readonly digest?: string | undefined }>,
  deps: ReviewRoutesDeps & { readonly tellRefusal: TellOnce },
  planOf: (record: HeldRecord) => Promise<Plan>,
) {
  const { events, reviews, clock, logger } = deps;
  const { tenant, subject: by } = caller;
  const before = await heldRecord(events, tenant, id);
  await checkDecider(by, before, deps);
  const ifMatch = c.req.header('if-match');
  const seen = seenDigest(ifMatch, body.digest, before);
  const plan = await planOf(before);
  const at = clock();
  await checkDecidable(before, seen, at, deps);
  const actor = `user:${by}` as const;
  await deps.audit(tenant, [{ actor, action: DECIDED[plan.kind], subject: id, data: entryOf(plan, before) }]);
  const action: ReviewAction = plan.kind === 'edit' ? { ...plan, by } : { ...plan, by, at };
  let after: HeldRecord;
  try {
    after = changed(await reviews.decide(tenant, id, seen, action));
  } catch (error) {
    // Whether an unreachable store has decided is not known, so the entry stands; otherwise it says too much.
    const code = codeOf(error);
    if (code !== 'ERR_STORE_UNAVAILABLE') {
      await deps.audit(tenant, [{ actor, action: 'review.refused', subject: id, data: { code, seen } }]);
    }
    throw code === 'ERR_REVIEW_CHANGED' && ifMatch !== undefined ? refusalOf.unmatched() : error;
  }
  const { version, heldAt } = after.review;
  const { channel } = after.event;
  logger.info(
    { tenant, eventId: id, channel, decision: plan.kind, by, version, waitedMs: at - heldAt },
    'review.decided',
  );
  const view = reviewView(after);
  return json(200, view, { etag: etagOf(view) });
}

/**
 * What the store refuses anyway, before the audit says that it was decided.
 * @throws SallyportError ERR_WRONG_STATE, ERR_REVIEW_EXPIRED, ERR_REVIEW_CHANGED, ERR_STORE_UNAVAILABLE
 */
async function checkDecidable(
  { event, state, review }: HeldRecord,
  seen: string,
  at: number,
  { reviews }: { readonly reviews: Reviews },
): Promise<void> {
  if (state !== 'review') throw refusalOf.wrong_state();
  if (at >= review.expiresAt) {
    await reviews.sweep(event.tenant);
    throw refusalOf.expired();
  }
  if (review.digest !== seen) throw refusalOf.changed();
}

/** The version that a decision is about or makes, and the digest that it named. */
function entryOf(plan: Plan, { review }: HeldRecord): JsonObject {
  const { version, digest: seen } = review;
  return plan.kind === 'edit' ? { version: version + 1, digest: plan.digest, seen } : { version, digest: seen, seen };
}

const DECIDED = { approve: 'review.approved', edit: 'review.edited', reject: 'review.rejected' } as const;

/** @throws as `mayDecide` */
async function checkDecider(
  by: string,
  record: HeldRecord,
  { reviewPolicy, tellRefusal }: Pick<ReviewRoutesDeps, 'reviewPolicy'> & { readonly tellRefusal: TellOnce },
): Promise<void> {
  const { tenant, id } = record.event;
  try {
    mayDecide(by, record, reviewPolicy(tenant));
  } catch (error) {
    const data = { code: codeOf(error) };
    await tellRefusal(tenant, { actor: `user:${by}`, action: 'review.refused', subject: id, data });
    throw error;
  }
}

async function heldRecord(events: Events, tenant: string, id: string): Promise<HeldRecord> {
  const record = await events.get(tenant, id);
  if (record === null || !isHeld(record)) throw notFound();
  return record;
}

const isHeld = (record: { readonly review?: unknown }): record is HeldRecord => record.review !== undefined;

function changed(reviewed: Reviewed): HeldRecord {
  switch (reviewed.kind) {
    case 'ok':
      if (isHeld(reviewed.record)) return reviewed.record;
      throw notFound();
    case 'not_found':
      throw notFound();
    default:
      throw refusalOf[reviewed.kind]();
  }
}

const refusalOf = {
  wrong_state: () => new SallyportError('ERR_WRONG_STATE', 'it does not wait for a review'),
  changed: () => new SallyportError('ERR_REVIEW_CHANGED', 'the digest is not that of the held reply'),
  unmatched: () => new SallyportError('ERR_PRECONDITION_FAILED', 'another text is held than the one If-Match names'),
  expired: () => new SallyportError('ERR_REVIEW_EXPIRED', 'nobody decided in time'),
};

/**
 * Whether a token's subject may decide about a held reply. The list is the one that is configured now: who was taken off
 * it decides nothing any more.
 * @throws SallyportError ERR_REVIEW_NOT_APPROVER, ERR_REVIEW_OWN: it answers what they asked themselves
 */
function mayDecide(subject: string, { event, review }: HeldRecord, { approvers }: ReviewPolicy): void {
  if (approvers.length > 0 && !approvers.includes(subject)) {
    throw new SallyportError('ERR_REVIEW_NOT_APPROVER', 'the subject is not among the approvers');
  }
  const asked = [review.requester, event.author].flatMap((author) => requesterNames(author, event.channel));
  if (asked.includes(sameCase(subject))) {
    throw new SallyportError('ERR_REVIEW_OWN', 'the subject is who asked');
  }
}

/** An event whose reply was held for a person. */
export type HeldRecord = EventRecord & { readonly review: HeldReply };

const iso = (at: number): string => new Date(at).toISOString();

/** A held reply as the API shows it; the shape is public. */
function reviewView({ event, state, review }: HeldRecord): z.input<typeof reviewShape> {
  const { digest: held, text, version, requester, editedBy, heldAt, expiresAt, decision } = review;
  return {
    id: event.id,
    tenant: event.tenant,
    channel: event.channel,
    conversation: event.conversation.name,
    state: state === 'review' ? ('waiting' as const) : (decision?.kind ?? ('expired' as const)),
    digest: held,
    text,
    destination: event.destination,
    version,
    question: event.text,
    requester,
    heldAt: iso(heldAt),
    expiresAt: iso(expiresAt),
    ...defined({ editedBy }),
    ...(decision !== undefined && { decision: { ...decision, at: iso(decision.at) } }),
  };
}
