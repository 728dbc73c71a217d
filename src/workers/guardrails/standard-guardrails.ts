import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Guardrail } from './guardrail.ts';
import { defang } from './links/defang.ts';
import { createLinkHosts, type IsListed } from './links/link-hosts.ts';
import { createPromptLeakCheck } from './prompt-leak.ts';
import { repetitionCheck } from './repetition.ts';

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

/** Cuts replies to so many UTF-16 code units, note included. */
export const createLengthCheck = (maxChars: number): Guardrail => ({
  name: 'length',
  stages: ['output'],
  check({ text }) {
    if (text.length <= maxChars) return { kind: 'pass' };
    const kept = text.slice(0, maxChars - NOTE.length);
    // Never between the halves of a character.
    return { kind: 'change', text: `${kept.replace(/[\ud800-\udbff]$/, '')}${NOTE}` };
  },
});

const NOTE = '\n\n[cut: the reply was too long]';

interface SecretCheckDeps {
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

/** Leaves only links to listed hosts in a reply. */
const createLinkCheck = (isListed: IsListed): Guardrail => ({
  name: 'links',
  stages: ['output'],
  check({ text }) {
    const safe = defang(text, isListed);
    return safe === text ? { kind: 'pass' } : { kind: 'change', text: safe };
  },
});
