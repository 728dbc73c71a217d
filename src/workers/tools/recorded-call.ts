import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json/json-text.ts';
import type { JournalEntry } from '../../queue/journal.ts';
import type { Steps } from '../steps.ts';
import { refusalCodes } from './refusal.ts';
import type { ToolResult } from './toolbox.ts';

const json = z.custom<JsonValue>((value) => value !== undefined);

/** What the journal keeps of a call that has ended. */
const ended = z.object({
  tool: z.string(),
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('result'), value: json }),
    z.object({ kind: z.literal('final'), text: z.string() }),
    z.object({ kind: z.literal('refused'), code: z.enum(refusalCodes), message: z.string() }),
  ]),
});

/**
 * What an earlier attempt left of a step. Null: the call is to be made.
 * @throws SallyportError ERR_AMBIGUOUS_EFFECT: begun, and nobody knows whether it happened. ERR_INTERNAL: the step was
 * another tool's
 */
export function recordedResult(entry: JournalEntry | undefined, tool: string): ToolResult | null {
  if (entry === undefined) return null;
  if (entry.kind === 'intent') throw ambiguous();
  const read = ended.safeParse(entry.value);
  if (read.success) {
    if (read.data.tool !== tool) throw new SallyportError('ERR_INTERNAL', 'a step was recorded for another tool');
    return read.data.outcome;
  }
  // Settled by a person: it happened, and what it gave back is not known; or it did not, and may be made now.
  return entry.kind === 'result' ? { kind: 'result', value: 'It was done; what it gave back is not known.' } : null;
}

/** The arguments of a recorded call, if the journal has them. */
export function recordedInput(entry: JournalEntry | undefined): JsonObject | undefined {
  const value = entry?.value;
  return isJsonObject(value) && isJsonObject(value.input) ? value.input : undefined;
}

/** A call as the journal sees it. */
export interface RecordedCall {
  readonly step: string;
  readonly tool: string;
  /** Scrubbed. */
  readonly input: JsonObject;
}

/** Before an effect that must not be made twice; others may not begin before `holdMs` have passed. */
export const recordIntent = (steps: Steps, { step, tool, input }: RecordedCall, holdMs: number): Promise<void> =>
  steps.record(step, { kind: 'intent', value: { tool, input } }, holdMs);

/** The call was stopped between the two: nothing happened, so it may be made later. */
export const recordNotBegun = (steps: Steps, { step, tool, input }: RecordedCall): Promise<void> =>
  steps.record(step, { kind: 'refused', value: { tool, input } });

/** After it, whatever came of it. */
export const recordEnd = (steps: Steps, { step, tool, input }: RecordedCall, outcome: ToolResult): Promise<void> =>
  steps.record(step, {
    kind: outcome.kind === 'refused' ? 'refused' : 'result',
    value: { tool, input, outcome: { ...outcome } },
  });

export const ambiguous = (): SallyportError =>
  new SallyportError('ERR_AMBIGUOUS_EFFECT', 'a tool may or may not have had its effect');
