import type { ParsedEvent, Reader, Replier } from '../channels/channel.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf, type ErrorCode, SallyportError } from '../core/errors.ts';
import { type ChannelName, type EventRecord, type InboundEvent, noUsage, type Run } from '../core/event.ts';
import { isJsonObject } from '../core/json.ts';
import type { Meter } from '../core/meter.ts';
import type { Inbox } from '../queue/inbox.ts';
import type { Journal, JournalEntry } from '../queue/journal.ts';
import type { HeldLease, Lease, Outcome } from '../queue/lease.ts';
import type { Scrub } from '../scrub/scrub.ts';
import type { Agent, AgentOutcome } from './agent/agent.ts';
import { failureOutcome } from './failure.ts';
import { startHeartbeat } from './heartbeat.ts';
import { type PreparedTask, prepareTask } from './prepare-task.ts';
import { REPLY_STEP, replyOnce } from './reply-once.ts';

export interface AttemptDeps {
  readonly agent: Agent;
  readonly replier: (tenant: string, channel: ChannelName) => Replier;
  readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
  readonly inbox: Inbox;
  readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
  readonly lease: Lease;
  readonly journal: Journal;
  readonly scrub: Scrub;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly random: () => number;
  /** `StoreLimits.leaseMs` */
  readonly leaseMs: number;
  /** Longest call that posts a reply, in ms. */
  readonly replyTimeoutMs: number;
  /** Wall clock of one run, in ms. */
  readonly runMs: number;
  /** Aborted when the grace period is nearly over: what still runs is given back. */
  readonly shutdown: AbortSignal;
}

/** One attempt at an event: agent, then reply once. Never throws: what went wrong is the outcome. */
export async function attempt(record: EventRecord, held: HeldLease, deps: AttemptDeps): Promise<Outcome> {
  const startedAt = deps.clock();
  const heartbeat = startHeartbeat(deps.lease, held, deps.leaseMs);
  const timeout = AbortSignal.timeout(deps.runMs);
  const signal = AbortSignal.any([heartbeat.signal, timeout, deps.shutdown]);
  try {
    const { tenant, channel } = record.event;
    const journal = await deps.journal.replay(held);
    const answer = recorded(journal) ?? (await ask(record, signal, deps));
    const ended = { startedAt, finishedAt: deps.clock(), usage: answer.usage };
    if (answer.kind === 'ignored') return { kind: 'ignored', run: { ...ended, outcome: 'ignored' } };
    if (answer.kind === 'silent') return { kind: 'done', run: { ...ended, outcome: 'silent' } };
    const { value: text, findings } = deps.scrub(answer.text);
    for (const { rule, count } of findings) deps.meter.scrubbed(rule, count);
    const replier = deps.replier(tenant, channel);
    const task = { record, lease: held, text, earlier: journal.get(REPLY_STEP), signal };
    const reply = await replyOnce(task, { journal: deps.journal, replier, timeoutMs: deps.replyTimeoutMs });
    deps.meter.replied(channel, reply.state);
    return { kind: 'done', run: { ...ended, finishedAt: deps.clock(), outcome: 'replied', reply } };
  } catch (error) {
    if (deps.shutdown.aborted) return { kind: 'released', run: releasedRun(startedAt, deps.clock()) };
    if (replyCodes.has(codeOf(error))) deps.meter.replied(record.event.channel, replyOutcome(error));
    const cause = timeout.aborted ? timedOut() : error;
    return failureOutcome({
      error: cause,
      attempt: record.attempts,
      startedAt,
      finishedAt: deps.clock(),
      random: deps.random,
    });
  } finally {
    heartbeat.stop();
  }
}

const replyCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_AMBIGUOUS_EFFECT',
  'ERR_REPLY_REJECTED',
  'ERR_REPLY_UNAVAILABLE',
  'ERR_REPLY_UNCONFIRMED',
]);

const replyOutcome = (error: unknown): string => (codeOf(error) === 'ERR_AMBIGUOUS_EFFECT' ? 'ambiguous' : 'failed');

type Answered = AgentOutcome | { readonly kind: 'ignored'; readonly usage: typeof noUsage };

/** What an earlier attempt already had the agent say; it is not computed again. */
function recorded(journal: ReadonlyMap<string, JournalEntry>): Answered | null {
  const value = journal.get(REPLY_STEP)?.value;
  return isJsonObject(value) && typeof value.text === 'string'
    ? { kind: 'reply', text: value.text, usage: noUsage }
    : null;
}

async function ask(record: EventRecord, signal: AbortSignal, deps: AttemptDeps): Promise<Answered> {
  const { tenant, channel } = record.event;
  const prepared: PreparedTask = await prepareTask(record, signal, { ...deps, reader: deps.reader(tenant, channel) });
  if (prepared.kind === 'ignored') return { kind: 'ignored', usage: noUsage };
  if (prepared.kind === 'handled') return { kind: 'silent', usage: noUsage };
  const task = { event: prepared.event, generation: record.generation, attempt: record.attempts };
  try {
    return await untilAborted(deps.agent.run(task, { signal }), signal);
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new SallyportError('ERR_AGENT_FAILED', 'the agent failed', { cause: error });
  }
}

/** An agent that never settles must not hold its worker; it keeps running unseen, without a lease to act under. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new SallyportError('ERR_AGENT_FAILED', 'the run was aborted'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

const timedOut = (): SallyportError => new SallyportError('ERR_AGENT_TIMEOUT', 'the run took too long');

const releasedRun = (startedAt: number, finishedAt: number): Run => ({
  startedAt,
  finishedAt,
  outcome: 'released',
  usage: noUsage,
});
