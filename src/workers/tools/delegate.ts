import type { RunBudget } from '../budget/budget.ts';

/** What a sub-agent is asked to do. */
export interface SubTask {
  /** The sub-agent's name: a word of the configuration. */
  readonly agent: string;
  readonly instructions: string;
  /** Written by the model that delegates: as untrusted as whatever it read. */
  readonly text: string;
  /** A part of the run's; refusals of the part end only the part. */
  readonly budget: RunBudget;
  /** Begins the names of the sub-run's steps in the journal, e.g. `tool:3.0/`; the same in every attempt. */
  readonly stepPrefix: string;
  readonly signal: AbortSignal;
}

/** The loop of a model for a sub-agent, with a toolbox that has no `delegate` and no `reply`. Resolves with its answer. */
export type RunSub = (task: SubTask) => Promise<string>;
