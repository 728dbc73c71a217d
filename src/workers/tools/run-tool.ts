import { SallyportError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/json/json-text.ts';
import { linkSignals, TimeLimitPassed, withinTime } from '../../core/linked-signal.ts';
import { ambiguous } from './recorded-call.ts';
import { Refused, ToolRefusal } from './refusal.ts';
import type { Tool, ToolContext } from './tool.ts';

/** For one call, in ms, unless the tool says otherwise. */
export const TIMEOUT_MS = 30_000;

/** A refusal's message is a sentence of the tool's author. */
const MAX_MESSAGE_CHARS = 500;

/**
 * Makes the call within its time. Its signal is aborted when it is over, and the client it was given with it.
 * `onFailed` gets what its requests and its own code threw, each error once.
 * @throws Refused, SallyportError ERR_AMBIGUOUS_EFFECT, why the run was aborted, or what the tool threw of that kind
 */
export async function runTool(
  tool: Tool,
  input: unknown,
  context: ToolContext,
  onFailed: (error: unknown) => void,
): Promise<JsonValue> {
  const { timeoutMs = TIMEOUT_MS } = tool;
  const seen = new Set<unknown>();
  const failed = (error: unknown): void => {
    const isKnown = seen.has(error) || (error instanceof Error && seen.has(error.cause));
    if (!isKnown) onFailed(error);
    seen.add(error);
  };
  try {
    return await withinTime(timeoutMs, context.signal, (signal) =>
      tool.run(input, { ...context, signal, fetch: boundTo(signal, context.fetch, failed) }),
    );
  } catch (error) {
    failed(error);
    if (context.signal.aborted) throw stopped(context.signal);
    if (error instanceof ToolRefusal) throw new Refused('refused', error.message.slice(0, MAX_MESSAGE_CHARS));
    if (tool.effect === 'once') throw ambiguous();
    if (error instanceof TimeLimitPassed) throw new Refused('timeout', 'the tool took too long');
    if (error instanceof SallyportError && !error.code.startsWith('ERR_OUTBOUND_')) throw error;
    throw new Refused('failed', 'the tool failed');
  }
}

/** Why a run was stopped, as one of our errors. */
export const stopped = ({ reason }: AbortSignal): SallyportError =>
  reason instanceof SallyportError ? reason : new SallyportError('ERR_AGENT_FAILED', 'the run was aborted');

/** A call that was left behind must not reach out any more. */
const boundTo =
  (signal: AbortSignal, fetch: ToolContext['fetch'], onFailed: (error: unknown) => void): ToolContext['fetch'] =>
  async (input, init) => {
    const linked = linkSignals([signal, init?.signal]);
    try {
      return await fetch(input, { ...init, signal: linked.signal });
    } catch (error) {
      onFailed(error);
      throw error;
    } finally {
      linked.release();
    }
  };
