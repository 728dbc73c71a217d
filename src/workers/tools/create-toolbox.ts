import { SallyportError } from '../../core/errors.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import { createCallCounts } from './call-counts.ts';
import { describeTools } from './describe-tools.ts';
import { makeCall, repeatLocally } from './make-call.ts';
import { recordedInput, recordedResult } from './recorded-call.ts';
import { refusable } from './refusable.ts';
import { Refused } from './refusal.ts';
import { argumentsDigest, createCallFacts, reportCall, reportInterrupted } from './report-call.ts';
import { stopped } from './run-tool.ts';
import type { Tool } from './tool.ts';
import type { Toolbox, ToolboxDeps, ToolResult } from './toolbox.ts';

/** Calls of one run over all tools: more than any task of a chat needs. */
const MAX_CALLS = 50;

/** The tools of one attempt. @throws TypeError for two tools of one name, or a schema no model could be told */
export function createToolbox(given: ToolboxDeps): Toolbox {
  // The part of a budget a sub-agent has may end before its run does. Never released: both are aborted when the run ends.
  const { signal } = linkSignals([given.signal, given.budget.signal]);
  const deps = { ...given, signal };
  const { tools, allowed, steps } = deps;
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
      const result = await refusable(work).catch((error: unknown) => {
        reportInterrupted({ ...told, error }, deps);
        throw error;
      });
      reportCall({ ...told, result, ms: Math.round(performance.now() - startedAt) }, deps);
      return result;
    },
  };
}
