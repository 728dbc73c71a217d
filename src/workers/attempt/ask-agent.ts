import type { Reader } from '../../channels/channel.ts';
import { SallyportError } from '../../core/errors.ts';
import {
  type Author,
  type ChannelName,
  type EventRecord,
  type InboundEvent,
  noUsage,
  type Usage,
} from '../../core/event.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Agent, AgentContext, AgentOutcome, Task } from '../agent.ts';
import { noteTurn } from '../agents/memory/memory.ts';
import { noteBudget, noteLeak, type Trail } from '../audit-trail.ts';
import type { OpenBudget, Spending } from '../budget/run-budget.ts';
import type { Guardrail } from '../guardrails/guardrail.ts';
import { type Guardrails, guardText } from '../guardrails/guardrails.ts';
import type { Steps } from '../steps.ts';
import { type PreparedTask, type PrepareTaskDeps, prepareTask } from './prepare-task.ts';

export interface AskDeps extends Omit<PrepareTaskDeps, 'reader'>, FinishDeps {
  /** Who answers an event; null when nobody does. @throws SallyportError ERR_AGENT_FAILED */
  readonly agentFor: (event: InboundEvent) => Agent | null;
  readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
  /** @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_STORE_UNAVAILABLE */
  readonly openBudget: (spending: Spending) => Promise<OpenBudget>;
}

/** One attempt, as far as asking the agent goes. */
export interface Asking {
  readonly record: EventRecord;
  readonly steps: Steps;
  readonly trail: Trail;
  /** The lease's and the shutdown's. */
  readonly signal: AbortSignal;
}

export type Answered = {
  readonly usage: Usage;
  /** The agent that was asked. */
  readonly agent?: string;
  /** Whoever asked, as the channel's reader knows them. */
  readonly requester?: Author;
  readonly isApproved?: true;
} & (
  | AgentOutcome
  | { readonly kind: 'ignored' }
  /** The agent ran and failed, or was stopped: what it used is spent. */
  | { readonly kind: 'failed'; readonly error: unknown }
);

/** What the channel reads before the agent is asked, in ms: pages of a mailbox at most. */
const READ_MS = 120_000;

/**
 * Has the channel read what there is to read, counts the run and asks the agent that matches.
 * @throws what the reader threw
 */
export async function askAgent(asking: Asking, deps: AskDeps): Promise<Answered> {
  const { record, signal } = asking;
  const { tenant, channel } = record.event;
  const reading = linkSignals([signal], { ms: READ_MS });
  const preparing = prepareTask(record, reading.signal, { ...deps, reader: deps.reader(tenant, channel) });
  const prepared: PreparedTask = await preparing.finally(reading.release);
  if (prepared.kind === 'ignored') return { kind: 'ignored', usage: noUsage };
  if (prepared.kind === 'handled') return { kind: 'silent', usage: noUsage };
  const agent = deps.agentFor(prepared.event);
  if (agent === null) return { kind: 'ignored', usage: noUsage };
  return {
    ...(await withinBudget(agent, prepared.event, asking, deps)),
    agent: agent.name,
    requester: prepared.event.author,
  };
}

async function withinBudget(
  agent: Agent,
  event: InboundEvent,
  { record, steps, trail, signal }: Asking,
  deps: AskDeps,
): Promise<Answered> {
  let budget: OpenBudget;
  try {
    budget = await deps.openBudget({ record, event, isFree: agent.isFree ?? false, limits: agent.limits });
  } catch (error) {
    noteBudget('budget.refused', error, trail);
    return { kind: 'failed', error, usage: noUsage };
  }
  const linked = linkSignals([signal, budget.run.signal]);
  const context = { signal: linked.signal, budget: budget.run, steps, trail };
  const task: Task = { event, generation: record.generation, attempt: record.attempts };
  try {
    const answer = await runAgent(agent, task, context, budget, deps);
    await budget.close();
    return { ...answer, usage: budget.run.usage };
  } finally {
    linked.release();
  }
}

async function runAgent(
  agent: Agent,
  task: Task,
  context: AgentContext,
  budget: OpenBudget,
  deps: AskDeps,
): Promise<AgentOutcome | { readonly kind: 'failed'; readonly error: unknown }> {
  const work = async (): Promise<AgentOutcome> => {
    const outcome = await agent.run(task, context);
    if (outcome.kind !== 'reply') return outcome;
    const reply = await finishReply(outcome, agent, task.event, context, deps);
    if (agent.remembers) await noteTurn(task.event, context.steps);
    return reply;
  };
  try {
    return await untilAborted(work(), context.signal);
  } catch (error) {
    if (budget.stopped !== undefined) {
      noteBudget('budget.exhausted', budget.stopped, context.trail);
      return { kind: 'failed', error: budget.stopped };
    }
    if (error instanceof SallyportError) return { kind: 'failed', error };
    return { kind: 'failed', error: new SallyportError('ERR_AGENT_FAILED', 'the agent failed', { cause: error }) };
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

interface FinishDeps {
  readonly scrub: Scrub;
  readonly meter: Meter;
  /** An agent's own checks and then those that every agent passes. */
  readonly guardrailsWith: (own: readonly Guardrail[]) => Guardrails;
}

type Reply = Extract<AgentOutcome, { kind: 'reply' }>;

/**
 * What becomes of a reply before anybody sees it: secrets out, then the guardrails, then whether a person looks at it.
 * Scrubbed first, because a guardrail may be a service of somebody else.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE; what the agent's own `review` throws
 */
async function finishReply(
  reply: Reply,
  agent: Agent,
  event: InboundEvent,
  { signal, trail }: Pick<AgentContext, 'signal' | 'trail'>,
  deps: FinishDeps,
): Promise<Reply> {
  const { value, findings } = deps.scrub(reply.text);
  for (const { rule, count } of findings) deps.meter.scrubbed(rule, count);
  noteLeak(findings, trail, {});
  const { name, instructions, guardrails = [], review = false } = agent;
  const text = await guardText(deps.guardrailsWith(guardrails), {
    stage: 'output',
    tenant: event.tenant,
    agent: name,
    text: value,
    signal,
    trail,
    ...(instructions === undefined ? {} : { instructions }),
  });
  const needsPerson = reply.review === true || (typeof review === 'function' ? review({ text }, event) : review);
  return { kind: 'reply', text, ...(needsPerson ? { review: true } : {}) };
}
