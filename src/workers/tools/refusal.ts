/**
 * Why a call came to nothing, in bounded words: they go to the model, into the journal, logs and metric labels.
 * `not-allowed`, `unknown-tool`: outside the run's list. `bad-arguments`, `arguments-too-large`: its schema or size.
 * `too-many-calls`: the tool's or the run's cap. `repeated`: the same call again and again. `guardrail`: a check blocked it. `timeout`, `failed`: it ran.
 * `refused`: the tool itself said no.
 */
export const refusalCodes = [
  'not-allowed',
  'unknown-tool',
  'bad-arguments',
  'arguments-too-large',
  'too-many-calls',
  'repeated',
  'guardrail',
  'timeout',
  'failed',
  'refused',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Thrown by a tool: it certainly did not happen. `message` is shown to the model, so it must hold nothing secret. */
export class ToolRefusal extends Error {
  override readonly name = 'ToolRefusal';
}

/** A call that is not made; the toolbox turns it into an answer. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
