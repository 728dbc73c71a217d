import type { JsonObject, JsonValue } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { Tracer } from '../../core/tracer.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Trail } from '../audit-trail.ts';
import type { RunBudget } from '../budget/budget.ts';
import type { Guardrails } from '../guardrails/guardrails.ts';
import type { Steps } from '../steps.ts';
import type { RefusalCode } from './refusal.ts';
import type { Tool } from './tool.ts';

/** What a model asked for. */
export interface ToolCall {
  /**
   * The journal's step, e.g. `tool:3.0`: numbered by the agent and the same in every attempt. Never the model's own id.
   */
  readonly id: string;
  readonly name: string;
  /** Parsed arguments, or the text a model sent where it was not JSON (which is then refused). */
  readonly input: unknown;
}

export type ToolResult =
  | { readonly kind: 'result'; readonly value: JsonValue }
  /** The run's reply: the loop ends here. */
  | { readonly kind: 'final'; readonly text: string }
  /** It was not done. `message` is safe to show the model; the run goes on. */
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly message: string };

/** What a model is told of a tool. */
export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  /** JSON Schema, draft 2020-12. */
  readonly inputSchema: JsonObject;
}

/** The tools of one run. */
export interface Toolbox {
  /** Only what the run may call. */
  readonly tools: readonly ToolDescription[];
  /**
   * Never throws for what the model did wrong.
   * @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_LEASE_LOST, ERR_STORE_UNAVAILABLE, why the signal was
   * aborted, ERR_AMBIGUOUS_EFFECT (an effect `once` that may have happened), or what the tool threw of that kind
   */
  call(call: ToolCall): Promise<ToolResult>;
}

export interface ToolboxDeps {
  /** Every tool there is; names must differ. */
  readonly tools: readonly Tool[];
  /** Names the agent may call for this tenant. */
  readonly allowed: ReadonlySet<string>;
  readonly steps: Steps;
  readonly trail: Trail;
  readonly budget: RunBudget;
  /** Of the attempt: lost lease, shutdown, budget. */
  readonly signal: AbortSignal;
  readonly scrub: Scrub;
  readonly guardrails: Guardrails;
  /** The guarded client for tools: one without an allow-list. */
  readonly fetch: typeof globalThis.fetch;
  readonly tenant: string;
  readonly agent: string;
  readonly eventId: string;
  /** Shown to guardrails beside the arguments. */
  readonly instructions?: string;
  /** Calls of one run over all tools, refused ones included. Default 50. */
  readonly maxCalls?: number;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}
