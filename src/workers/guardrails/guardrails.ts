import type { GuardrailSubject, Verdict } from './guardrail.ts';

/** Ordered checks as one. A change feeds the next, a block ends; one that throws or takes too long blocks. */
export interface Guardrails {
  /** Never throws but for an aborted signal, with its reason. */
  check(subject: GuardrailSubject): Promise<Verdict>;
}
