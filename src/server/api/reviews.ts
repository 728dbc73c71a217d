import { z } from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, SallyportError } from '../../core/errors.ts';
import type { EventRecord, HeldReply } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import { type ReviewPolicy, replyDigest, requesterNames, sameCase } from '../../core/review.ts';
import type { Events } from '../../queue/events.ts';
import type { ReviewAction, Reviewed, Reviews } from '../../queue/reviews.ts';
import type { App, AppContext } from '../http/context.ts';
import type { Authorize } from './auth.ts';
import { createRefusals, type TellOnce, type TellRead } from './refusals.ts';
import { eventId, notFound, pageQuery, readJson, readQuery } from './request.ts';

export interface ReviewRoutesDeps {
  readonly events: Events;
  readonly reviews: Reviews;
  readonly authorize: Authorize;
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
const digest = z.string().min(1).max(200);
const approveBody = z.strictObject({ digest });
const editBody = z.strictObject({ digest, text: z.string().max(40_000).regex(/\S/) });
const rejectBody = z.strictObject({ digest, reason: z.string().max(1_000).regex(/\S/).optional() });

/** `/reviews`: replies that wait for a person, and what they decide. Every call sees only its own tenant. */
export const mountReviews =
  (deps: ReviewRoutesDeps) =>
  (app: App): void => {
    const { events, reviews, authorize, clean, checkReply, identifier, tellRead } = deps;
    const deciding = { ...deps, tellRefusal: createRefusals(deps.audit) };

    app.get('/reviews', async (c) => {
      const { tenant, subject } = await authorize(c, 'reviews:read');
      const { cursor, limit } = readQuery(c, listQuery);
      await reviews.sweep(tenant);
      const page = await events.list(tenant, { state: 'review', limit, ...(cursor === undefined ? {} : { cursor }) });
      if (page.events.some(isHeld)) await tellRead(tenant, subject, 'reviews');
      return c.json({ reviews: page.events.filter(isHeld).map(reviewView), cursor: page.cursor ?? null });
    });
    app.get('/reviews/:id', async (c) => {
      const { tenant, subject } = await authorize(c, 'reviews:read');
      await reviews.sweep(tenant);
      const record = await heldRecord(events, tenant, eventId(c));
      await tellRead(tenant, subject, record.event.id);
      return c.json(reviewView(record));
    });
    app.post('/reviews/:id/approve', (c) => decided(c, approveBody, deciding, async () => ({ kind: 'approve' })));
    app.post('/reviews/:id/edit', (c) =>
      decided(c, editBody, deciding, async ({ text: given }, record, by) => {
        const text = await checkReply(record, given, by);
        const { event, review } = record;
        const version = review.version + 1;
        return { kind: 'edit', text, digest: replyDigest(identifier, { ...review, event, version, text }) };
      }),
    );
    app.post('/reviews/:id/reject', (c) =>
      decided(c, rejectBody, deciding, async ({ reason }) =>
        reason === undefined ? { kind: 'reject' } : { kind: 'reject', reason: clean(reason) },
      ),
    );
  };

/** An action before it is known who does it, and when. */
type Plan =
  | { readonly kind: 'approve' }
  | { readonly kind: 'reject'; readonly reason?: string }
  | { readonly kind: 'edit'; readonly text: string; readonly digest: string };

interface DecidingDeps extends ReviewRoutesDeps {
  readonly tellRefusal: TellOnce;
}

/**
 * Reads what was asked, checks who asks, puts the decision into the audit, and makes it: the audit may name a decision
 * twice, or one that a `review.refused` after it takes back, but lacks none.
 */
async function decided<T extends { readonly digest: string }>(
  c: AppContext,
  shape: z.ZodType<T>,
  deps: DecidingDeps,
  planOf: (body: T, record: HeldRecord, by: string) => Promise<Plan>,
): Promise<Response> {
  const { events, reviews, authorize, clock, logger } = deps;
  const { tenant, subject: by } = await authorize(c, 'reviews:decide');
  const id = eventId(c);
  const body = await readJson(c, shape);
  const before = await heldRecord(events, tenant, id);
  await checkDecider(by, before, deps);
  const plan = await planOf(body, before, by);
  const at = clock();
  await checkDecidable(before, body.digest, at, deps);
  const actor = `user:${by}` as const;
  await deps.audit(tenant, [{ actor, action: DECIDED[plan.kind], subject: id, data: entryOf(plan, before) }]);
  const action: ReviewAction = plan.kind === 'edit' ? { ...plan, by } : { ...plan, by, at };
  let after: HeldRecord;
  try {
    after = changed(await reviews.decide(tenant, id, body.digest, action));
  } catch (error) {
    // Whether an unreachable store has decided is not known, so the entry stands; otherwise it says too much.
    const code = codeOf(error);
    if (code !== 'ERR_STORE_UNAVAILABLE') {
      await deps.audit(tenant, [{ actor, action: 'review.refused', subject: id, data: { code, seen: body.digest } }]);
    }
    throw error;
  }
  const { version, heldAt } = after.review;
  const { channel } = after.event;
  logger.info(
    { tenant, eventId: id, channel, decision: plan.kind, by, version, waitedMs: at - heldAt },
    'review.decided',
  );
  return c.json(reviewView(after));
}

/**
 * What the store refuses anyway, before the audit says that it was decided.
 * @throws SallyportError ERR_WRONG_STATE, ERR_REVIEW_EXPIRED, ERR_REVIEW_CHANGED, ERR_STORE_UNAVAILABLE
 */
async function checkDecidable(
  { event, state, review }: HeldRecord,
  seen: string,
  at: number,
  { reviews }: DecidingDeps,
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
  { reviewPolicy, tellRefusal }: DecidingDeps,
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

/** A held reply as the API shows it; the shape is public. `digest` stands for `text` and `destination` together. */
function reviewView({ event, state, review }: HeldRecord) {
  const { digest, text, version, requester, editedBy, heldAt, expiresAt, decision } = review;
  return {
    id: event.id,
    tenant: event.tenant,
    channel: event.channel,
    conversation: event.conversation.name,
    state: state === 'review' ? ('waiting' as const) : (decision?.kind ?? ('expired' as const)),
    digest,
    text,
    destination: event.destination,
    version,
    question: event.text,
    requester,
    heldAt: iso(heldAt),
    expiresAt: iso(expiresAt),
    ...(editedBy === undefined ? {} : { editedBy }),
    ...(decision === undefined ? {} : { decision: { ...decision, at: iso(decision.at) } }),
  };
}
