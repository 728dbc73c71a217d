import type { RunBudget } from '../../budget/budget.ts';
import type { ToolDescription } from '../../tools/toolbox.ts';

/** A tool call as a model asks for it, under an id of ours. */
export interface AskedCall {
  readonly id: string;
  readonly name: string;
  /** Parsed arguments, or the text where they are not JSON. */
  readonly input: unknown;
}

export type Message =
  | { readonly role: 'user'; readonly text: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly AskedCall[] }
  | { readonly role: 'tool'; readonly results: readonly (Omit<AskedCall, 'input'> & { readonly text: string })[] };

export interface Question {
  /** The instructions; nothing in it comes from outside. */
  readonly system: string;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolDescription[];
  /** False: it has to come to an end now. */
  readonly mayCall: boolean;
  readonly maxOutputTokens: number;
  /** The call is reserved here before it is made. */
  readonly budget: RunBudget;
  readonly signal: AbortSignal;
}

/** What a model said. Everything in it is somebody else's input. */
export interface Said {
  readonly text: string;
  readonly calls: readonly Omit<AskedCall, 'id'>[];
}

/**
 * Asks a model once; never retries by itself.
 * @throws SallyportError ERR_MODEL_UNAVAILABLE (perhaps with its Retry-After), ERR_MODEL_REJECTED, or why the budget
 * refused
 */
export type AskModel = (question: Question) => Promise<Said>;
