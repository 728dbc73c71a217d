import type { InboundEvent, Usage } from '../../core/event.ts';

/** What an agent is asked. */
export interface Task {
  readonly event: InboundEvent;
  readonly generation: number;
  readonly attempt: number;
}

export interface AgentContext {
  /** Aborted by the run's time limit, a lost lease and shutdown. An agent that ignores it may no longer act. */
  readonly signal: AbortSignal;
}

export type AgentOutcome =
  | { readonly kind: 'reply'; readonly text: string; readonly usage: Usage }
  /** Nothing to say. */
  | { readonly kind: 'silent'; readonly usage: Usage };

export interface Agent {
  /** Bounded word for metrics. */
  readonly name: string;
  /** @throws whatever it likes: that is a failed attempt, retried with back-off. */
  run(task: Task, context: AgentContext): Promise<AgentOutcome>;
}
