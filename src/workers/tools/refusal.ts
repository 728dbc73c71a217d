/**
 * Why a call came to nothing, in bounded words: they go to the model, into the journal, logs and metric labels.
 * `not-allowed`, `unknown-tool`: outside the run's list. `bad-arguments`, `arguments-too-large`: its schema or size.
 * `too-many-calls`: the tool's or the run's cap. `guardrail`: a check blocked it. `timeout`, `failed`: it ran.
 * `refused`: the tool itself said no.
 */
export type RefusalCode =
  | 'not-allowed'
  | 'unknown-tool'
  | 'bad-arguments'
  | 'arguments-too-large'
  | 'too-many-calls'
  | 'guardrail'
  | 'timeout'
  | 'failed'
  | 'refused';

/** Thrown by a tool: it certainly did not happen. `message` is shown to the model, so it must hold nothing secret. */
export class ToolRefusal extends Error {
  override readonly name = 'ToolRefusal';
}
