import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Guardrail } from './guardrail.ts';
import { createLengthCheck } from './length.ts';
import { createLinkHosts } from './links/link-hosts.ts';
import { createLinkCheck } from './links.ts';
import { createPromptLeakCheck } from './prompt-leak/prompt-leak.ts';
import { repetitionCheck } from './repetition.ts';
import { createSecretCheck, type SecretCheckDeps } from './secrets.ts';

export interface StandardOptions {
  /** `host` or `*.domain`, in lower case. */
  readonly linkHosts: readonly string[];
  readonly maxReplyChars: number;
  readonly onSecret: SecretCheckDeps['onFound'];
  /** Letters and digits of the instructions in a row that are a leak; null: not looked for. */
  readonly promptLeakChars: number | null;
}

export interface StandardDeps {
  readonly scrub: Scrub;
  readonly meter: Meter;
  /** Services of the operator, asked after what needs no network and before what has the last word. */
  readonly services: readonly Guardrail[];
}

/** What every agent passes, in order: what a later one changes, secrets and links still see. */
export const standardGuardrails = (options: StandardOptions, deps: StandardDeps): readonly Guardrail[] => [
  ...(options.promptLeakChars === null ? [] : [createPromptLeakCheck(options.promptLeakChars)]),
  repetitionCheck,
  ...deps.services,
  createSecretCheck({ ...deps, onFound: options.onSecret }),
  createLengthCheck(options.maxReplyChars),
  createLinkCheck(createLinkHosts(options.linkHosts)),
];
