/** What a check thinks of a text. `reason` is a bounded word: it ends in logs and metric labels. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'change'; readonly text: string }
  | { readonly kind: 'block'; readonly reason: string };

/** `input`: what a model is about to read. `tool-call`: what it asks a tool to do. `output`: the reply. */
export type GuardrailStage = 'input' | 'tool-call' | 'output';

export interface GuardrailSubject {
  readonly stage: GuardrailStage;
  readonly tenant: string;
  readonly agent: string;
  /** What is judged. Of a tool call: its arguments as JSON. */
  readonly text: string;
  /** What the model was told by its owner. */
  readonly instructions?: string;
  /** The tool that is called. */
  readonly tool?: string;
  readonly signal: AbortSignal;
}

export interface Guardrail {
  /** Bounded word for logs and metrics. */
  readonly name: string;
  readonly stages: readonly GuardrailStage[];
  /** @throws whatever it likes: that blocks. */
  check(subject: GuardrailSubject): Promise<Verdict> | Verdict;
}
