import type { Limits } from '../core/budget.ts';
import type { InboundEvent } from '../core/event.ts';
import type { Trail } from './audit-trail.ts';
import type { RunBudget } from './budget/budget.ts';
import type { Guardrail } from './guardrails/guardrail.ts';
import type { Steps } from './steps.ts';

/** What an agent is asked. */
export interface Task {
  readonly event: InboundEvent;
  readonly generation: number;
  readonly attempt: number;
}

export interface AgentContext {
  /** Aborted by the budget, a lost lease and shutdown. An agent that ignores it may no longer act. */
  readonly signal: AbortSignal;
  /** What the run may use. Everything that costs something goes through it, and nothing else counts as used. */
  readonly budget: RunBudget;
  /** Journalled steps of the event. What an earlier attempt recorded need not be done, or paid for, again. */
  readonly steps: Steps;
  /** Takes what is refused on the way, for the audit. */
  readonly trail: Trail;
}

export type AgentOutcome =
  /** `review`: the agent's policy wants a person to look at it first. */
  | { readonly kind: 'reply'; readonly text: string; readonly review?: true }
  /** Nothing to say. */
  | { readonly kind: 'silent' }
  /**
   * What is to be said is called back (`Callbacks.accept`) as the step `awaited` of the journal. The agent is asked again
   * then, or after `delayMs`; in between no worker is busy with it.
   */
  | { readonly kind: 'wait'; readonly awaited: string; readonly delayMs: number };

export interface Agent {
  /** Bounded word for metrics. */
  readonly name: string;
  /** It costs nothing, so its runs are not counted against anybody. */
  readonly isFree?: boolean;
  /** What one run may use at most; the tenant's own limits for runs hold as well. */
  readonly limits?: Limits;
  /** What its owner told it. Guardrails see to it that replies do not give it away. */
  readonly instructions?: string;
  /** Its own checks of replies, before those that every agent passes. */
  readonly guardrails?: readonly Guardrail[];
  /** Whether a person looks at a reply before it is sent. */
  readonly review?: boolean | ((reply: { readonly text: string }, event: InboundEvent) => boolean);
  /** Its conversations are remembered. */
  readonly remembers?: boolean;
  /** Loads what its first run would; a worker does not start when this throws. Absent: there is nothing to load. */
  load?(): Promise<void>;
  /** @throws whatever it likes: that is a failed attempt, retried with back-off. */
  run(task: Task, context: AgentContext): Promise<AgentOutcome>;
}
