import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { isJsonObject, type JsonValue } from '../../core/json/json-text.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import { noTracer } from '../../core/tracer.ts';
import { jsonOf } from './arguments.ts';
import { makeCall, refusable, repeatLocally } from './make-call.ts';
import { recordedInput, recordedResult } from './recorded-call.ts';
import { Refused } from './refusal.ts';
import { argumentsDigest, createCallFacts, reportCall, reportInterrupted } from './report-call.ts';
import { stopped } from './run-tool.ts';
import type { Tool } from './tool.ts';

import type { Toolbox, ToolboxDeps, ToolDescription, ToolResult } from './toolbox.ts';

/** Calls of one run over all tools: more than any task of a chat needs. */
const MAX_CALLS_OF_A_RUN = 50;

/** The tools of one attempt. @throws TypeError for two tools of one name, or a schema no model could be told */
export function createToolbox(given: ToolboxDeps): Toolbox {
  // The part of a budget a sub-agent has may end before its run does. Never released: both are aborted when the run ends.
  const { signal } = linkSignals([given.signal, given.budget.signal]);
  const deps = { ...given, signal };
  const { tools, allowed, steps, tracer = noTracer } = deps;
  const known = new Map(tools.map((tool) => [tool.name, tool]));
  if (known.size !== tools.length) throw new TypeError('two tools have the same name');
  const counts = createCallCounts(deps.maxCalls ?? MAX_CALLS_OF_A_RUN);
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
      const facts = createCallFacts();
      const told = { step: id, tool: known.has(name) ? name : 'unknown', facts };
      const work = async (): Promise<ToolResult> => {
        counts.count(name, input);
        // First of all: what happened has happened, whatever is allowed by now.
        const recorded = recordedResult(steps.earlier(id), name);
        if (recorded !== null) {
          facts.outcome = 'recorded';
          facts.data = argumentsDigest(recordedInput(steps.earlier(id)));
          const local = allowed.has(name) && recorded.kind !== 'refused' ? known.get(name) : undefined;
          if (local?.isLocal === true) await repeatLocally({ tool: local, step: id, given: input, facts }, deps);
          return recorded;
        }
        const tool = find(name);
        counts.check(tool, input);
        return makeCall({ tool, step: id, given: input, facts }, deps);
      };
      const result = await tracer.current().part('tool', { tool: told.tool }, async (span) => {
        const made = await refusable(work).catch((error: unknown) => {
          reportInterrupted({ ...told, error }, deps);
          throw error;
        });
        span.note(made.kind === 'refused' ? { outcome: 'refused', code: made.code } : { outcome: facts.outcome });
        return made;
      });
      reportCall({ ...told, result, ms: Math.round(performance.now() - startedAt) }, deps);
      return result;
    },
  };
}

/**
 * Tools as a model is told of them. @throws TypeError for a schema that is no object or cannot be written as JSON Schema
 */
const describeTools = (tools: readonly Tool[]): readonly ToolDescription[] =>
  tools.map(({ name, description, input }) => ({ name, description, inputSchema: schemaOf(name, input) }));

function schemaOf(name: string, input: z.ZodType): ToolDescription['inputSchema'] {
  // As the model writes it, before defaults and transforms.
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input' }) as Record<string, JsonValue>;
  if (!isJsonObject(schema) || schema.type !== 'object') throw new TypeError(`the input of tool ${name} is no object`);
  return schema;
}

/** Calls of one tool in one run unless it says otherwise: a loop shows by then. */
const MAX_CALLS_OF_A_TOOL = 10;

/** The very same call, arguments and all: what came of it before will come of it again. */
const MAX_SAME = 3;

/** Counts the calls of a run. Calls an earlier attempt made are asked for again and so count again: the caps are the run's. */
interface CallCounts {
  count(name: string, input: unknown): void;
  /** @throws Refused `too-many-calls`, `repeated` when the call just counted is one too many */
  check(tool: Tool, input: unknown): void;
}

function createCallCounts(maxOfRun: number): CallCounts {
  const made = new Map<string, number>();
  let all = 0;
  return {
    count(name, input) {
      made.set(sameness(name, input), (made.get(sameness(name, input)) ?? 0) + 1);
      made.set(name, (made.get(name) ?? 0) + 1);
      all += 1;
    },
    check({ name, maxCalls = MAX_CALLS_OF_A_TOOL }, input) {
      if ((made.get(name) ?? 0) > maxCalls || all > maxOfRun) {
        throw new Refused('too-many-calls', 'this tool may not be called again in this run');
      }
      if ((made.get(sameness(name, input)) ?? 0) > MAX_SAME) {
        throw new Refused('repeated', 'this very call was made before; its result will not change');
      }
    },
  };
}

/** No name of a tool holds a space. */
const sameness = (name: string, input: unknown): string => `${name} ${jsonOf(input)}`;
