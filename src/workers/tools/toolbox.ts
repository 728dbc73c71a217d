import { SallyportError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Steps } from '../agent/steps.ts';
import type { RunBudget } from '../budget/budget.ts';
import type { Guardrails } from '../guardrails/guardrails.ts';
import { createCallCounts } from './call-counts.ts';
import { describeTools } from './describe-tools.ts';
import { makeCall, repeatLocally } from './make-call.ts';
import { recordedResult } from './recorded-call.ts';
import { type RefusalCode, Refused, refusable } from './refusal.ts';
import { reportCall } from './report-call.ts';
import { stopped } from './run-tool.ts';
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
}

/** Calls of one run over all tools: more than any task of a chat needs. */
const MAX_CALLS = 50;

/** The tools of one attempt. @throws TypeError for two tools of one name, or a schema no model could be told */
export function createToolbox(given: ToolboxDeps): Toolbox {
  // The part of a budget a sub-agent has may end before its run does.
  const deps = { ...given, signal: AbortSignal.any([given.signal, given.budget.signal]) };
  const { tools, allowed, signal, steps } = deps;
  const known = new Map(tools.map((tool) => [tool.name, tool]));
  if (known.size !== tools.length) throw new TypeError('two tools have the same name');
  const counts = createCallCounts(deps.maxCalls ?? MAX_CALLS);
  const taken = new Set<string>();

  function find(name: string): Tool {
    const tool = known.get(name);
    if (tool === undefined) throw new Refused('unknown-tool', 'there is no such tool');
    if (!allowed.has(name)) throw new Refused('not-allowed', 'this tool may not be used');
    return tool;
  }

  return {
    tools: describeTools(tools.filter(({ name }) => allowed.has(name))),
    async call({ id, name, input }) {
      if (signal.aborted) throw stopped(signal);
      if (taken.has(id)) throw new SallyportError('ERR_INTERNAL', 'a step was used for two calls');
      taken.add(id);
      const startedAt = performance.now();
      const result = await refusable(async () => {
        counts.count(name, input);
        // First of all: what happened has happened, whatever is allowed by now.
        const recorded = recordedResult(steps.earlier(id), name);
        if (recorded !== null) {
          const local = allowed.has(name) && recorded.kind !== 'refused' ? known.get(name) : undefined;
          if (local?.isLocal === true) await repeatLocally(local, id, input, deps);
          return recorded;
        }
        const tool = find(name);
        counts.check(tool, input);
        return makeCall(tool, id, input, deps);
      });
      const ms = Math.round(performance.now() - startedAt);
      reportCall({ step: id, tool: known.has(name) ? name : 'unknown', result, ms }, deps);
      return result;
    },
  };
}
