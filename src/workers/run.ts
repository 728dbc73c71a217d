import type { RecordAudit } from '../core/audit/entry.ts';
import type { EventRecord } from '../core/event.ts';
import { type BeginOptions, noTracer, type Span, type SpanFacts, type Tracer } from '../core/tracer.ts';
import type { ConversationRef, HeldLease, Outcome, Taken } from '../queue/lease.ts';
import { type AttemptDeps, attempt } from './attempt/attempt.ts';
import { auditAttempt } from './attempt/audit-attempt.ts';
import { createTrail } from './audit-trail.ts';

/** Heads one wake runs before the rest goes to a new wake, so that a long conversation does not keep a worker. */
const HEADS_PER_WAKE = 8;

/** In metrics and logs, for an attempt that asked no agent. */
const NOBODY = 'none';

export interface RunDeps extends AttemptDeps {
  /** True once the process takes no more work. */
  readonly isStopping: () => boolean;
  readonly audit: RecordAudit;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
}

/**
 * A woken conversation: take its head under a lease, attempt it, put that into the audit, finish it, and go on with the
 * next. What the audit does not have has not ended: another attempt follows.
 * @throws SallyportError ERR_STORE_UNAVAILABLE; the conversation is woken again by the sweep.
 */
export async function run(conversation: ConversationRef, deps: RunDeps): Promise<void> {
  const { tracer = noTracer } = deps;
  let taken: Taken = await deps.lease.take(conversation);
  for (let heads = 1; taken.kind === 'head'; heads += 1) {
    const { record, lease } = taken;
    taken = await tracer.begin('run', factsOf(record, lease), placeOf(record), async (span) => {
      const trail = createTrail();
      const outcome = await attempt(record, lease, trail, deps, span);
      await auditAttempt(record, lease, outcome, trail, deps.audit);
      const next = await deps.lease.finish(lease, outcome, heads < HEADS_PER_WAKE && !deps.isStopping());
      report(record, outcome, next.kind === 'stale', span, deps);
      return next;
    });
  }
}

const factsOf = ({ event, generation, attempts }: EventRecord, { run }: HeldLease): SpanFacts => ({
  tenant: event.tenant,
  channel: event.channel,
  eventId: event.id,
  generation,
  attempt: attempts,
  run,
});

/** Every attempt goes on with the delivery's trace. A redrive is another occasion, maybe days later: it only refers to it. */
const placeOf = ({ event: { traceparent }, generation }: EventRecord): BeginOptions => ({
  ...(generation === 1 ? { from: traceparent } : { link: traceparent }),
  isAmbient: true,
});

function report(record: EventRecord, outcome: Outcome, isStale: boolean, span: Span, { logger, meter }: RunDeps): void {
  const { event, generation, attempts } = record;
  const { run: ended } = outcome;
  const { agent = NOBODY } = ended;
  const ms = (ended.finishedAt ?? ended.startedAt) - ended.startedAt;
  meter.ran(agent, isStale ? 'stale' : ended.outcome, ms / 1000);
  const line = {
    eventId: event.id,
    tenant: event.tenant,
    channel: event.channel,
    agent,
    generation,
    attempt: attempts,
    outcome: isStale ? 'stale' : outcome.kind,
    reply: ended.reply?.state,
    code: ended.code,
    cause: ended.cause,
    waitedMs: ended.startedAt - event.receivedAt,
    ms,
  };
  const { usage } = ended;
  span.note({
    agent: ended.agent,
    outcome: line.outcome,
    code: ended.code,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    costMicros: usage.usdMicros,
  });
  if (outcome.kind === 'parked' || outcome.kind === 'retry' || isStale) logger.warn(line, 'attempt.finished');
  else logger.info(line, 'attempt.finished');
}
