import type * as z from 'zod';
import type { JsonValue } from '../../core/json/json-text.ts';

/**
 * What a call does to the world. `none`: it only reads. `idempotent`: made again with the same `callId` it changes
 * nothing more. `once`: it must not be made twice, so an attempt that finds it begun and not ended asks a person.
 */
export type ToolEffect = 'none' | 'idempotent' | 'once';

export interface ToolContext {
  readonly tenant: string;
  readonly eventId: string;
  /** The same in every attempt: an idempotency key for effects. */
  readonly callId: string;
  /** The call's step in the journal, e.g. `tool:3.0`. */
  readonly step: string;
  /** Aborted when the run has ended, however it did: what a tool keeps for a run is kept until then. */
  readonly run: AbortSignal;
  /** Aborted by the call's own time limit, the budget, a lost lease and shutdown. */
  readonly signal: AbortSignal;
  /** The guarded client: public addresses only, whatever is configured elsewhere. */
  readonly fetch: typeof globalThis.fetch;
}

/** Something a model may ask for by name. What it asks with, and what comes back, is checked, capped and scrubbed. */
export interface Tool<Input = unknown> {
  /** 1 to 64 of a-z, 0-9 and _, beginning with a letter. */
  readonly name: string;
  /** What the model is told it does. */
  readonly description: string;
  /** An object, because that is what models send. */
  readonly input: z.ZodType<Input>;
  readonly effect: ToolEffect;
  /** Calls of one run, refused ones included. Default 10. */
  readonly maxCalls?: number;
  /** For one call, in ms. Default 30 s. A call that ignores its signal is left behind. */
  readonly timeoutMs?: number;
  /** What it gives back, a text, is the run's reply, and the run ends with it. */
  readonly isFinal?: boolean;
  /**
   * Arguments whose values the audit records beside the digest of all: for words of your own, like those of an enum. Values
   * that are not short text are left out.
   */
  readonly auditedArguments?: readonly string[];
  /**
   * What it does lives in the attempt alone (a file in the run's folder): a later attempt makes the call again before it
   * gives back the recorded result, so that what follows finds it done.
   */
  readonly isLocal?: boolean;
  /**
   * @throws ToolRefusal: it certainly did not happen, and the model is told why. SallyportError: the attempt ends with
   * it. Anything else: the model learns that it failed and nothing more; of a tool with the effect `once` it is then
   * unknown whether it happened, so the run ends with ERR_AMBIGUOUS_EFFECT.
   */
  run(input: Input, context: ToolContext): Promise<JsonValue> | JsonValue;
}

const NAME = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Types a tool, for the configuration's agents.
 * @example defineTool({ name: 'weather', description: 'Weather of a city.', effect: 'none',
 *   input: z.strictObject({ city: z.string().max(100) }), run: ({ city }) => lookUp(city) })
 * @throws TypeError for a name no model could call, or an effect that would be made again
 */
export function defineTool<Input>(tool: Tool<Input>): Tool<Input> {
  if (!NAME.test(tool.name)) throw new TypeError('a tool name is 1 to 64 of a-z, 0-9 and _, beginning with a letter');
  if (tool.isLocal === true && tool.effect === 'once') throw new TypeError('an effect made once cannot be local');
  return tool;
}
