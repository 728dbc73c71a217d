import type { ParsedEvent, Reader, Replier, WorkingContext } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, type ErrorCode } from '../../core/errors.ts';
import { type ChannelName, type EventRecord, type InboundEvent, noUsage, type Run } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import { isJsonObject } from '../../core/json/json-text.ts';
import { linkSignals, withinTime } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { ReviewPolicy } from '../../core/review.ts';
import { noSpan, type Span } from '../../core/tracer.ts';
import type { Inbox } from '../../queue/inbox.ts';
import { type Journal, REPLY_STEP } from '../../queue/journal.ts';
import type { HeldLease, Lease, Outcome } from '../../queue/lease.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Agent } from '../agent.ts';
import { echoAgent } from '../agents/echo.ts';
import { type Memory, rememberTurn } from '../agents/memory/memory.ts';
import { noteBlocked, outgoing, type Trail } from '../audit-trail.ts';
import { BudgetExhausted } from '../budget/exhausted.ts';
import type { OpenBudget, Spending } from '../budget/run-budget.ts';
import type { Guardrail } from '../guardrails/guardrail.ts';
import type { Guardrails } from '../guardrails/guardrails.ts';
import { approvedReply, holdReply, needsReview } from '../review/hold-reply.ts';
import { openSteps, type Steps } from '../steps.ts';
import { type Answered, askAgent } from './ask-agent.ts';
import { failureOutcome, logFailure, tellRefusal } from './failure.ts';
import { ReplyUnsettled, replyOnce } from './reply-once.ts';

export interface AttemptDeps {
  /** Who answers an event; null when nobody does. @throws SallyportError ERR_AGENT_FAILED */
  readonly agentFor: (event: InboundEvent) => Agent | null;
  readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
  readonly replier: (tenant: string, channel: ChannelName) => Replier;
  /** An agent's own checks and then those that every agent passes. */
  readonly guardrailsWith: (own: readonly Guardrail[]) => Guardrails;
  /** @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_STORE_UNAVAILABLE */
  readonly openBudget: (spending: Spending) => Promise<OpenBudget>;
  /** Null: each message stands alone. */
  readonly memory: Memory | null;
  readonly reviewPolicy: (tenant: string) => ReviewPolicy;
  /** What a tenant's replies say of being written by a model; null: nothing. */
  readonly disclosureOf: (tenant: string) => string | null;
  /** What is said of a message or reply that a guardrail blocked; null: nothing. */
  readonly blockedNotice: string | null;
  readonly inbox: Inbox;
  /** Cleans and seals what a reader found; the same step deliveries pass. */
  readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
  readonly lease: Lease;
  readonly journal: Journal;
  readonly identifier: Identifier;
  readonly scrub: Scrub;
  readonly meter: Meter;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  /** `StoreLimits.leaseMs` */
  readonly leaseMs: number;
  /** `StoreLimits.maxAttempts` */
  readonly maxAttempts: number;
  /** Longest call that posts a reply, in ms. */
  readonly replyTimeoutMs: number;
  /** `SALLYPORT_RESTORED_AT`, in epoch ms. */
  readonly restoredAtMs?: number | undefined;
  /** Aborted when the grace period is nearly over: what still runs is given back. */
  readonly shutdown: AbortSignal;
}

/** One attempt at an event: agent, then reply once. Never throws: what went wrong is the outcome. */
export async function attempt(
  record: EventRecord,
  held: HeldLease,
  trail: Trail,
  deps: AttemptDeps,
  span: Span = noSpan,
): Promise<Outcome> {
  const startedAt = deps.clock();
  const heartbeat = startHeartbeat(deps.lease, held, deps.leaseMs);
  const { signal, release } = linkSignals([heartbeat.signal, deps.shutdown]);
  const { tenant, channel } = record.event;
  const replying = () => ({
    journal: deps.journal,
    replier: deps.replier(tenant, channel),
    timeoutMs: deps.replyTimeoutMs,
    clock: deps.clock,
    restoredAtMs: deps.restoredAtMs,
  });
  let asked: Pick<Run, 'usage' | 'agent'> = { usage: noUsage };
  try {
    const steps = await openSteps({ journal: deps.journal, lease: held, clock: deps.clock });
    const ask = () => askAgent({ record, steps, trail, signal, span }, deps);
    const answer =
      approved(approvedReply(record, deps)) ??
      recorded(steps, record) ??
      (await showingWork(ask, record, deps.replier(tenant, channel), signal));
    asked = { usage: answer.usage, ...defined({ agent: answer.agent }) };
    if (answer.kind === 'failed') throw answer.error;
    const ended = { startedAt, finishedAt: deps.clock(), ...asked };
    if (answer.kind === 'ignored') return { kind: 'ignored', run: { ...ended, outcome: 'ignored' } };
    if (answer.kind === 'silent') return { kind: 'done', run: { ...ended, outcome: 'silent' } };
    if (answer.kind === 'wait') return waiting(answer, ended);
    const text = outgoing(answer.text, deps.scrub, trail);
    if (needsReview(answer, record, steps.earlier(REPLY_STEP), deps)) {
      deps.meter.replied(channel, 'held');
      return holdReply({ record, text, requester: answer.requester }, ended, deps);
    }
    const disclosure = disclosureOf(answer, record, steps, deps);
    const task = { record, lease: held, step: REPLY_STEP, text, disclosure, earlier: steps.earlier, signal } as const;
    const reply = await span.part('reply', { channel }, async (part) => {
      const sent = await replyOnce(task, replying());
      part.note({ outcome: sent.state });
      return sent;
    });
    deps.meter.replied(channel, reply.state);
    await rememberTurn(record, text, steps, { ...deps, isOurs: () => deps.lease.extend(held) });
    return { kind: 'done', run: { ...ended, finishedAt: deps.clock(), outcome: 'replied', reply } };
  } catch (error) {
    const finishedAt = deps.clock();
    noteBlocked(error, trail, {});
    if (deps.shutdown.aborted)
      return { kind: 'released', run: { startedAt, finishedAt, outcome: 'released', ...asked } };
    if (error instanceof ReplyUnsettled) return settling(error, { startedAt, finishedAt, ...asked });
    if (replyCodes.has(codeOf(error))) deps.meter.replied(channel, replyOutcome(error));
    if (!(error instanceof BudgetExhausted)) logFailure(error, record, asked.agent, deps.logger);
    await tellRefusal(error, record, held, { ...deps, ...replying(), signal });
    const { random, scrub, maxAttempts } = deps;
    const failed = { error, attempt: record.attempts, asked, startedAt, finishedAt };
    return failureOutcome({ ...failed, random, scrub, maxAttempts });
  } finally {
    heartbeat.stop();
    release();
  }
}

const waiting = ({ awaited, delayMs }: Answered & { kind: 'wait' }, ended: Omit<Run, 'outcome'>): Outcome => ({
  kind: 'wait',
  awaited,
  delayMs,
  run: { ...ended, outcome: 'waiting' },
});

/** The rest of the time until an absent reply is known not to have been posted: no failure, so it uses no attempt up. */
const settling = ({ code, waitMs }: ReplyUnsettled, ended: Omit<Run, 'outcome'>): Outcome => ({
  kind: 'wait',
  delayMs: waitMs,
  run: { ...ended, outcome: 'waiting', code },
});

const replyCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_AMBIGUOUS_EFFECT',
  'ERR_REPLY_REJECTED',
  'ERR_REPLY_UNAVAILABLE',
  'ERR_REPLY_UNCONFIRMED',
]);

const replyOutcome = (error: unknown): string => (codeOf(error) === 'ERR_AMBIGUOUS_EFFECT' ? 'ambiguous' : 'failed');

const approved = (text: string | null): Answered | null =>
  text === null ? null : { kind: 'reply', text, usage: noUsage, isApproved: true };

const agentOf = ({ runs }: EventRecord): string | undefined => runs.findLast((run) => run.agent !== undefined)?.agent;

/** What an earlier attempt already had the agent say; it is not computed again. */
function recorded(steps: Steps, record: EventRecord): Answered | null {
  const value = steps.earlier(REPLY_STEP)?.value;
  if (!isJsonObject(value) || typeof value.text !== 'string') return null;
  return { kind: 'reply', text: value.text, usage: noUsage, ...defined({ agent: agentOf(record) }) };
}

/**
 * What the reply says of being written by a model. `echo` is none, and a text that a person wrote in its review is
 * theirs. What an earlier attempt may have posted keeps what was decided then.
 */
function disclosureOf(
  answer: Answered,
  record: EventRecord,
  steps: Steps,
  deps: Pick<AttemptDeps, 'disclosureOf'>,
): string | undefined {
  const earlier = steps.earlier(REPLY_STEP);
  if (isJsonObject(earlier?.value) && earlier.kind !== 'refused') {
    return typeof earlier.value.disclosure === 'string' ? earlier.value.disclosure : undefined;
  }
  const { agent = agentOf(record), isApproved } = answer;
  const isOurs = agent === echoAgent.name || (isApproved && record.review?.editedBy !== undefined);
  return isOurs ? undefined : (deps.disclosureOf(record.event.tenant) ?? undefined);
}

export interface Heartbeat {
  /** Aborted once the lease is known to be lost. */
  readonly signal: AbortSignal;
  stop(): void;
}

/**
 * Prolongs a lease every third of its life. A beat that fails (the store is away) is no proof of loss; once a whole
 * lease life has passed without a good beat, another worker may have begun, so the lease counts as lost.
 */
export function startHeartbeat(lease: Lease, held: HeldLease, leaseMs: number): Heartbeat {
  const lost = new AbortController();
  let goodAt = performance.now();
  const timer = setInterval(() => {
    const sentAt = performance.now();
    lease.extend(held).then(
      (isOurs) => {
        if (isOurs) goodAt = sentAt;
        else lost.abort();
      },
      () => {
        if (performance.now() - goodAt >= leaseMs) lost.abort();
      },
    );
  }, leaseMs / 3);
  return { signal: lost.signal, stop: () => clearInterval(timer) };
}

/** Most answers are there by then, and nobody has begun to wonder, in ms. */
const SHOW_AFTER_MS = 700;

/** With the wait before it below the two seconds after which people ask again. An answer that comes waits for the rest. */
const SHOWING_MS = 1_000;

/**
 * Does the work, and lets the channel show that it is being done once it takes long. The sign is over before this
 * settles, so that it never follows the reply; whatever goes wrong with it concerns nobody.
 */
async function showingWork<T>(
  work: () => Promise<T>,
  { event }: EventRecord,
  replier: Replier,
  signal: AbortSignal,
): Promise<T> {
  const { tenant, id: eventId, destination, sealed } = event;
  const context: WorkingContext = { tenant, eventId, destination, sealed, signal };
  let showing: Promise<unknown> = Promise.resolve();
  const timer = setTimeout(() => {
    showing = withinTime(SHOWING_MS, signal, (ended) => replier.showWorking?.({ ...context, signal: ended })).catch(
      () => {},
    );
  }, SHOW_AFTER_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    await showing;
  }
}
