import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Guardrail } from './guardrail.ts';

export interface SecretCheckDeps {
  readonly scrub: Scrub;
  readonly meter: Meter;
  /** `clean`: they are replaced. `block`: there is no reply. */
  readonly onFound: 'clean' | 'block';
}

/** Looks for secrets in what goes out, after other guardrails had their say. */
export const createSecretCheck = ({ scrub, meter, onFound }: SecretCheckDeps): Guardrail => ({
  name: 'secrets',
  stages: ['output', 'tool-call'],
  check({ text }) {
    const { value, findings } = scrub(text);
    if (findings.length === 0) return { kind: 'pass' };
    for (const { rule, count } of findings) meter.scrubbed(rule, count);
    return onFound === 'clean' ? { kind: 'change', text: value } : { kind: 'block', reason: 'secret' };
  },
});
