import { defined } from '../../core/defined.ts';
import { codeOf } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json/json-text.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import { noteBlocked } from '../audit-trail.ts';
import { parseArguments, readArguments } from './arguments.ts';
import { type RecordedCall, recordEnd, recordIntent, recordNotBegun } from './recorded-call.ts';
import { Refused } from './refusal.ts';
import { argumentsDigest, auditedArguments, type CallFacts } from './report-call.ts';
import { cleanResult } from './result.ts';
import { runTool, stopped, TIMEOUT_MS } from './run-tool.ts';
import type { Tool } from './tool.ts';
import type { ToolboxDeps, ToolResult } from './toolbox.ts';

/** One call of an allowed tool. */
export interface ToMake {
  readonly tool: Tool;
  readonly step: string;
  /** As the model sent it. */
  readonly given: unknown;
  /** Filled in on the way. */
  readonly facts: CallFacts;
}

/**
 * Checks, reserves, makes and records one call of an allowed tool.
 * @throws as `Toolbox.call`, and Refused for what the next attempt will find wrong again
 */
export async function makeCall({ tool, step, given, facts }: ToMake, deps: ToolboxDeps): Promise<ToolResult> {
  const written = readArguments(given, deps.scrub);
  parseArguments(tool, written);
  const call: RecordedCall = { step, tool: tool.name, input: written };
  facts.data = argumentsDigest(written);
  // Whatever comes of it from here on may come out differently next time, and the model goes on from how it came out now.
  const outcome = await refusable(async () => {
    const input = parseArguments(tool, await judged(tool, written, deps));
    const held = await deps.budget.reserve({ toolCalls: 1 });
    try {
      return toResult(tool, await act(tool, input, call, facts, deps), deps);
    } finally {
      await held.settle({});
    }
  }, deps.scrub);
  await recordEnd(deps.steps, call, outcome);
  return outcome;
}

async function act(
  tool: Tool,
  input: unknown,
  call: RecordedCall,
  facts: CallFacts,
  deps: ToolboxDeps,
): Promise<JsonValue> {
  const { steps, tenant, agent, eventId, trail, signal, fetch } = deps;
  if (tool.effect === 'once') {
    // Half as long again as the call may take: by then its worker has noticed that it is over, alive or not.
    try {
      await recordIntent(steps, call, (tool.timeoutMs ?? TIMEOUT_MS) * 1.5);
    } catch (error) {
      // It may stand in the journal all the same, and the next attempt would take it for a call that was made.
      if (codeOf(error) !== 'ERR_LEASE_LOST') await recordNotBegun(steps, call).catch(() => {});
      throw error;
    }
    if (signal.aborted) {
      await recordNotBegun(steps, call);
      throw stopped(signal);
    }
  }
  const context = {
    tenant,
    eventId,
    callId: `${eventId}:${call.step}`,
    step: call.step,
    run: signal,
    signal,
    fetch,
  };
  facts.isBegun = true;
  facts.data = { ...facts.data, ...auditedArguments(tool, input) };
  return runTool(tool, input, context, (error) =>
    noteBlocked(error, trail, { agent, tool: tool.name, step: call.step }),
  );
}

/** Does again what an earlier attempt did to its own surroundings, unless it would not be done now. Nobody sees what comes of it. */
export async function repeatLocally({ tool, step, given, facts }: ToMake, deps: ToolboxDeps): Promise<void> {
  await refusable(async () => {
    const written = readArguments(given, deps.scrub);
    const input = parseArguments(tool, await judged(tool, written, deps));
    facts.outcome = 'repeated';
    await act(tool, input, { step, tool: tool.name, input: written }, facts, deps);
    return { kind: 'result', value: null };
  });
}

/** The arguments as the guardrails leave them. @throws Refused `guardrail` */
async function judged(tool: Tool, value: JsonObject, deps: ToolboxDeps): Promise<JsonValue> {
  const { guardrails, tenant, agent, instructions, trail, signal } = deps;
  const text = JSON.stringify(value);
  const told = defined({ instructions });
  const subject = { stage: 'tool-call', tenant, agent, text, ...told, tool: tool.name, trail, signal } as const;
  const verdict = await guardrails.check(subject).catch((error: unknown) => {
    throw signal.aborted ? stopped(signal) : error;
  });
  if (verdict.kind === 'pass') return value;
  const changed = verdict.kind === 'change' ? parsed(verdict.text) : undefined;
  if (changed === undefined) throw new Refused('guardrail', 'a guardrail refused this call');
  return changed;
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toResult(tool: Tool, given: JsonValue, deps: ToolboxDeps): ToolResult {
  const cleaned = cleanResult(given, deps.scrub);
  if (cleaned === null) {
    // It happened all the same, and must not be asked for again.
    if (tool.effect === 'once') return { kind: 'result', value: 'It was done; what it gave back cannot be shown.' };
    throw new Refused('failed', 'the tool failed');
  }
  const { value } = cleaned;
  if (tool.isFinal !== true) return { kind: 'result', value };
  return { kind: 'final', text: typeof value === 'string' ? value : JSON.stringify(value) };
}

/** A refusal on the way becomes the answer. `scrub` cleans messages that tools wrote. */
export async function refusable(work: () => Promise<ToolResult>, scrub?: Scrub): Promise<ToolResult> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { code, message } = error;
    return { kind: 'refused', code, message: scrub === undefined ? message : scrub(message).value };
  }
}
