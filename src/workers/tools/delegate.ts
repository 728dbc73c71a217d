import * as z from 'zod';
import type { Amounts } from '../../core/budget.ts';
import type { RunBudget } from '../budget/budget.ts';
import { ToolRefusal } from './refusal.ts';
import { defineTool, type Tool } from './tool.ts';

/** A sub-agent as the configuration describes it. */
export interface Delegate {
  /** What the model is told it is good for. */
  readonly description: string;
  readonly instructions: string;
  /** Names of tools it may call. `delegate` and `reply` are never among them, whatever is written here. */
  readonly tools: readonly string[];
  /** Its part of the run's budget. */
  readonly budget: Omit<Amounts, 'runs' | 'seconds'>;
}

/** What a sub-agent is asked to do. */
export interface SubTask {
  /** The sub-agent's name: a word of the configuration. */
  readonly agent: string;
  readonly instructions: string;
  /** Written by the model that delegates: as untrusted as whatever it read. */
  readonly text: string;
  /** The toolbox's allow-list for it. */
  readonly allowed: ReadonlySet<string>;
  /** A part of the run's; refusals of the part end only the part. */
  readonly budget: RunBudget;
  /** Begins the names of the sub-run's steps in the journal, e.g. `tool:3.0/`; the same in every attempt. */
  readonly stepPrefix: string;
  readonly signal: AbortSignal;
}

/** The loop of a model for a sub-agent. Resolves with its answer. */
export type RunSub = (task: SubTask) => Promise<string>;

/** What ends a run or begins another one; a sub-agent has neither. */
const notForDelegates: ReadonlySet<string> = new Set(['delegate', 'reply']);

/** Beyond a run's seconds nothing runs anyway. */
const TIMEOUT_MS = 10 * 60_000;

/** A tool that has a sub-agent do something, one level deep. Its steps are journalled, so it may be repeated. */
export function createDelegate({
  delegates,
  budget,
  runSub,
}: {
  /** By name; the names are what a model may choose from. */
  readonly delegates: ReadonlyMap<string, Delegate>;
  /** Of the run that delegates. */
  readonly budget: RunBudget;
  readonly runSub: RunSub;
}): Tool<{ agent: string; task: string }> {
  const told = [...delegates].map(([name, { description }]) => `${name}: ${description}`);
  return defineTool({
    name: 'delegate',
    description: `Has another agent do a part of the task and returns its answer. Agents:\n${told.join('\n')}`,
    input: z.strictObject({ agent: z.enum([...delegates.keys()]), task: z.string().min(1) }),
    effect: 'idempotent',
    auditedArguments: ['agent'],
    maxCalls: 3,
    timeoutMs: TIMEOUT_MS,
    async run({ agent, task }, { step, signal }) {
      const delegate = delegates.get(agent);
      if (delegate === undefined) throw new ToolRefusal('there is no such agent');
      const share = budget.slice(step, delegate.budget);
      const allowed = new Set(delegate.tools.filter((name) => !notForDelegates.has(name)));
      const { instructions } = delegate;
      try {
        return await runSub({
          agent,
          instructions,
          text: task,
          allowed,
          budget: share,
          stepPrefix: `${step}/`,
          signal,
        });
      } catch (error) {
        // Its part is used up and the run's own budget is not: the run goes on without its answer.
        if (share.signal.aborted && !budget.signal.aborted) {
          throw new ToolRefusal('the agent used up its part of the budget');
        }
        throw error;
      }
    },
  });
}
