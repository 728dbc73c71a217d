import type { ScopeKind } from './budget.ts';
import type { ChannelName } from './event.ts';

/** What the rooms tell the metrics. Labels are bounded words; no tenant, user or id is ever among them. */
export interface Meter {
  /** One per event or refused item. */
  delivery(channel: ChannelName, outcome: string, reason: string): void;
  /** Seconds from the first byte of the request to our answer. */
  acked(channel: ChannelName, seconds: number): void;
  /** A proven delivery that its sender marked as sent again. `reason` is a bounded word. */
  senderRetried(channel: ChannelName, reason: string): void;
  ran(agent: string, outcome: string, seconds: number): void;
  replied(channel: ChannelName, outcome: string): void;
  scrubbed(rule: string, count: number): void;
  /** Micro-dollars a call cost, once for each scope whose money is counted. */
  budgetSpent(scope: ScopeKind, micros: number): void;
  /** A run was stopped by a limit of this scope. */
  budgetRefused(scope: ScopeKind): void;
  /** A model asked for a tool. `tool` is the name of one that exists, or `unknown`; `outcome` a refusal's code, or `done`. */
  toolCalled(tool: string, outcome: string): void;
  /** A guardrail changed or blocked something. */
  guardrailActed(guardrail: string, stage: string, verdict: string): void;
  /** A caller was refused. `surface` is what it called (`api`, `metrics`), `reason` a code without `ERR_`, in lower case. */
  refused(surface: string, reason: string): void;
  /** A batch of the edge: `accepted`, `full` or `rejected` (some of its events were), or a code without `ERR_`, in lower case. */
  relayed(outcome: string): void;
  /** The store did not serve a request. `reason` is a bounded word: `oom`, `timeout`, `connection` … */
  storeFailed(reason: string): void;
  /** Entries went into the audit, or did not. */
  audited(outcome: 'written' | 'failed', entries: number): void;
  /** A tenant's chain was looked at for a checkpoint. `replaced`: it does not continue the last one. */
  checkpointed(outcome: 'written' | 'unchanged' | 'failed' | 'replaced'): void;
  /** All chains were looked at, and none failed. */
  checkpointsDone(): void;
}

export const silentMeter: Meter = {
  delivery() {},
  acked() {},
  senderRetried() {},
  ran() {},
  replied() {},
  scrubbed() {},
  budgetSpent() {},
  budgetRefused() {},
  toolCalled() {},
  guardrailActed() {},
  refused() {},
  relayed() {},
  storeFailed() {},
  audited() {},
  checkpointed() {},
  checkpointsDone() {},
};
