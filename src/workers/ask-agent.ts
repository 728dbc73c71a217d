import type { Reader } from '../channels/channel.ts';
import { SallyportError } from '../core/errors.ts';
import { type ChannelName, type EventRecord, noUsage, type Usage } from '../core/event.ts';
import type { Agent, AgentOutcome, Task } from './agent/agent.ts';
import type { Steps } from './agent/steps.ts';
import type { OpenBudget, Spending } from './budget/run-budget.ts';
import { type PreparedTask, type PrepareTaskDeps, prepareTask } from './prepare-task.ts';

export interface AskDeps extends Omit<PrepareTaskDeps, 'reader'> {
  readonly agent: Agent;
  readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
  /** @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_STORE_UNAVAILABLE */
  readonly openBudget: (spending: Spending) => Promise<OpenBudget>;
}

export type Answered = { readonly usage: Usage } & (
  | AgentOutcome
  | { readonly kind: 'ignored' }
  /** The agent ran and failed, or was stopped: what it used is spent. */
  | { readonly kind: 'failed'; readonly error: unknown }
);

/** What the channel reads before the agent is asked, in ms: pages of a mailbox at most. */
const READ_MS = 120_000;

/**
 * Has the channel read what there is to read, counts the run and asks the agent.
 * @throws what the reader threw, or why the budget did not open
 */
export async function askAgent(
  record: EventRecord,
  steps: Steps,
  signal: AbortSignal,
  deps: AskDeps,
): Promise<Answered> {
  const { tenant, channel } = record.event;
  const reading = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]);
  const prepared: PreparedTask = await prepareTask(record, reading, { ...deps, reader: deps.reader(tenant, channel) });
  if (prepared.kind === 'ignored') return { kind: 'ignored', usage: noUsage };
  if (prepared.kind === 'handled') return { kind: 'silent', usage: noUsage };
  const { event } = prepared;
  const budget = await deps.openBudget({ record, event, isFree: deps.agent.isFree ?? false });
  const task: Task = { event, generation: record.generation, attempt: record.attempts };
  const answer = await runAgent(task, steps, signal, budget, deps);
  await budget.close();
  return { ...answer, usage: budget.run.usage };
}

async function runAgent(
  task: Task,
  steps: Steps,
  signal: AbortSignal,
  budget: OpenBudget,
  { agent }: AskDeps,
): Promise<AgentOutcome | { readonly kind: 'failed'; readonly error: unknown }> {
  const context = { signal: AbortSignal.any([signal, budget.run.signal]), budget: budget.run, steps };
  try {
    return await untilAborted(agent.run(task, context), context.signal);
  } catch (error) {
    if (budget.stopped !== undefined) return { kind: 'failed', error: budget.stopped };
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
