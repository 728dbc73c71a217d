import type { Actor, AuditNote, RecordAudit } from '../../core/audit/entry.ts';
import { defined } from '../../core/defined.ts';
import type { EventRecord, Run } from '../../core/event.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { HeldLease, Outcome } from '../../queue/lease.ts';
import type { AttemptTrail } from '../audit-trail.ts';

/**
 * Tells the audit of one attempt, in one step: the calls it made, what it was refused, and how it ended with what it used.
 * @throws SallyportError ERR_STORE_UNAVAILABLE: the attempt must then not count as ended
 */
export async function auditAttempt(
  record: EventRecord,
  lease: HeldLease,
  outcome: Outcome,
  trail: AttemptTrail,
  audit: RecordAudit,
): Promise<void> {
  await audit(record.event.tenant, notesOf(record, lease, outcome, trail));
}

function notesOf(record: EventRecord, { run: number }: HeldLease, outcome: Outcome, trail: AttemptTrail): AuditNote[] {
  const { event, generation, attempts } = record;
  const { agent, reply } = outcome.run;
  const isOver = outcome.kind === 'ignored' || outcome.kind === 'done';
  // A delivery nobody was asked about: nothing was said, spent or refused.
  if (isOver && agent === undefined && reply === undefined && trail.noted.length === 0) return [];
  const actor: Actor = agent === undefined ? 'system' : `agent:${agent}`;
  const which = { generation, attempt: attempts };
  const about = { actor, subject: event.id };
  const noted = trail.noted.map(({ action, data }) => ({ ...about, action, data: { ...which, ...data } }));
  const dropped = trail.dropped === 0 ? {} : { refusalsDropped: trail.dropped };
  const data = { ...which, run: number, ...dropped, ...endOf(record, outcome.run) };
  return [...noted, { ...about, action: 'run.finished', data }, ...consequences(record, outcome)];
}

function endOf({ event, generation, review }: EventRecord, run: Run): JsonObject {
  const { outcome, usage, startedAt, finishedAt = startedAt, agent, code, cause, status, reply } = run;
  const { decision } = review ?? {};
  const isApproved = decision?.kind === 'approved' && review?.generation === generation;
  return {
    channel: event.channel,
    user: event.author.id,
    outcome,
    ...defined({ agent, code, cause, status }),
    ...(reply !== undefined && { reply: reply.state }),
    ...(isApproved && { approvedBy: decision.by }),
    ms: finishedAt - startedAt,
    usage: { ...usage },
  };
}

/** What the end of an attempt makes of its event, where somebody has to do something about it. */
function consequences({ event, generation }: EventRecord, outcome: Outcome): AuditNote[] {
  const about = { actor: 'system', subject: event.id } as const;
  if (outcome.kind === 'parked') {
    return [{ ...about, action: 'event.parked', data: { generation, code: outcome.code } }];
  }
  if (outcome.kind !== 'review') return [];
  const { digest, version, expiresAt } = outcome.review;
  const data = { generation, digest, version, expiresAt: new Date(expiresAt).toISOString() };
  return [{ ...about, action: 'review.held', data }];
}
