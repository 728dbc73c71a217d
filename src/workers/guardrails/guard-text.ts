import { SallyportError } from '../../core/errors.ts';
import { type Guardrails, type Judged, UNDECIDED } from './guardrails.ts';

/**
 * Passes a text through the guardrails: before every model call with the stage `input` (the text being what the model has
 * not seen yet: the task, results of tools), and before a reply with `output`.
 * @returns the text as the guardrails left it
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED: they refuse it. ERR_GUARDRAIL_UNAVAILABLE: one of them could not decide.
 */
export async function guardText(guardrails: Guardrails, subject: Judged): Promise<string> {
  const verdict = await guardrails.check(subject);
  if (verdict.kind === 'block') {
    const { stage } = subject;
    if (verdict.reason === UNDECIDED) {
      throw new SallyportError('ERR_GUARDRAIL_UNAVAILABLE', `a guardrail could not decide about the ${stage}`);
    }
    throw new SallyportError('ERR_GUARDRAIL_BLOCKED', `a guardrail blocked the ${stage}`);
  }
  return verdict.kind === 'change' ? verdict.text : subject.text;
}
